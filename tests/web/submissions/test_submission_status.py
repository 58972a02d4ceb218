"""Tests of the states of submissions, by their ids and by their task."""

import time
import uuid
from datetime import datetime

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.catalog.ingest import tables as ingest_tables
from tasks.redis_state.task_progress import set_stage
from tests.support.clients.web_client import MBID, WORD, code_of


def submit(web, count: int = 1) -> tuple[str, list[int]]:
    form = {f"fingerprint.{n}": WORD for n in range(count)}
    form |= {f"duration.{n}": "3" for n in range(count)}
    reply = web.submit(**form, **{f"mbid.{n}": MBID for n in range(count)}).json
    return reply["task"]["id"], [entry["id"] for entry in reply["submissions"]]


def import_(web, submission_id: int) -> str:
    """Make a submission part of the catalogue, and return its track."""
    gid = uuid.uuid4()
    with web.front_end.databases.engine("fingerprint").begin() as connection:
        track = connection.scalar(
            sa.insert(tables.track).values(gid=gid).returning(tables.track.c.id)
        )
        values = {
            "words": b"\0\0\0\x80",
            "gid": uuid.uuid4(),
            "simhash": 0,
            "length": 3,
            "track_id": track,
            "submission_count": 1,
        }
        fingerprint = connection.scalar(
            sa.insert(tables.fingerprint).values(values).returning(tables.fingerprint.c.id)
        )
    result = {
        "submission_id": submission_id,
        "account_id": 1,
        "application_id": 1,
        "fingerprint_id": fingerprint,
        "track_id": track,
    }
    with web.front_end.databases.engine("ingest").begin() as connection:
        connection.execute(sa.insert(ingest_tables.submission_result).values(result))
    web.finish(submission_id, "imported")
    return str(gid)


def test_an_imported_submission_stays_imported_without_its_receipt(web) -> None:
    _, ids = submit(web, 3)
    gid = import_(web, ids[0])
    web.finish(ids[1], "rejected", "too short")
    with web.front_end.databases.engine("ingest").begin() as connection:
        connection.execute(sa.delete(ingest_tables.submission))
    result = web.get("/v2/submission_status", client=web.application, id=ids)
    imported = {"id": ids[0], "status": "imported", "result": {"id": gid}}
    assert result.json["submissions"] == [
        imported,
        *({"id": each, "status": "pending"} for each in ids[1:]),
    ]


def test_a_submission_is_pending_until_its_import_is_recorded_with_its_receipt(web) -> None:
    _, [submission_id] = submit(web)
    import_(web, submission_id)
    web.finish(submission_id, "pending")
    result = web.get("/v2/submission_status", client=web.application, id=submission_id)
    assert [each["status"] for each in result.json["submissions"]] == ["pending"]


def test_states_by_id_in_the_order_of_the_request(web) -> None:
    _, (pending, imported, rejected, failed) = submit(web, 4)
    gid = import_(web, imported)
    web.finish(rejected, "rejected", "too short")
    web.finish(failed, "failed", "internal error")
    ids = [failed, 999999, imported, "x", rejected, pending, imported]
    result = web.get("/v2/submission_status", client=web.application, id=ids)
    assert result.status_code == 200
    done = {"id": imported, "status": "imported", "result": {"id": gid}}
    assert result.json["submissions"] == [
        {"id": failed, "status": "failed", "reason": "internal error"},
        {"id": 999999, "status": "pending"},
        done,
        {"id": rejected, "status": "rejected", "reason": "too short"},
        {"id": pending, "status": "pending"},
        done,
    ]


def test_ids_above_32_bits_are_pending(web) -> None:
    ids = ["0", "-1", str(2**31), "9" * 40]
    result = web.get("/v2/submission_status", client=web.application, id=ids)
    assert result.json["submissions"] == [{"id": int(each), "status": "pending"} for each in ids]


def test_without_ids_the_list_is_empty(web) -> None:
    result = web.get("/v2/submission_status", client=web.application)
    assert result.text == '{"status": "ok", "submissions": []}'


def test_states_by_id_need_an_application(web) -> None:
    assert code_of(web.get("/v2/submission_status", id=1)) == 2
    assert code_of(web.get("/v2/submission_status", id=1, client="nobodys")) == 4


def test_a_task_from_its_beginning_to_its_end(web) -> None:
    task_id, (first, second) = submit(web, 2)
    path = f"/v2/task/{task_id}"
    task = web.get(path).json["task"]
    created = task.pop("created")
    assert datetime.fromisoformat(created).timestamp() == pytest.approx(time.time(), abs=60)
    assert task == {
        "id": task_id,
        "kind": "submission",
        "state": "pending",
        "stage": None,
        "started": None,
        "finished": None,
        "result": {
            "submissions": [
                {"id": first, "status": "pending"},
                {"id": second, "status": "pending"},
            ]
        },
    }
    set_stage(web.redis, [task_id], "score")
    task = web.get(path).json["task"]
    assert (task["state"], task["stage"]) == ("running", "score")
    assert task["created"] == created
    assert datetime.fromisoformat(task["started"]).timestamp() == pytest.approx(time.time(), abs=60)
    gid = import_(web, first)
    assert web.get(path).json["task"]["state"] == "running"
    web.finish(second, "rejected", "too short")
    task = web.get(path).json["task"]
    assert task["state"] == "finished"
    assert task["finished"] >= created
    assert task["result"]["submissions"] == [
        {"id": first, "status": "imported", "result": {"id": gid}},
        {"id": second, "status": "rejected", "reason": "too short"},
    ]


def test_a_task_with_a_failed_submission(web) -> None:
    task_id, (only,) = submit(web)
    web.finish(only, "failed", "internal error")
    task = web.get(f"/v2/task/{task_id}").json["task"]
    assert task["state"] == "failed"
    assert task["result"]["submissions"][0]["reason"] == "internal error"


def test_a_task_in_xml(web) -> None:
    task_id, _ = submit(web)
    text = web.get(f"/v2/task/{task_id.upper()}", format="xml").text
    assert f"<id>{task_id}</id>" in text
    assert "<submissions><submission><id>" in text


@pytest.mark.parametrize(
    "task_id", ["f4b1c2d3-0000-4000-8000-0123456789ab", "x", "1", "%00", "a" * 500]
)
def test_an_unknown_task(web, task_id) -> None:
    result = web.get(f"/v2/task/{task_id}")
    assert (result.status_code, code_of(result)) == (404, 100)
