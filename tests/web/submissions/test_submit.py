"""Tests of ``/v2/submit``: receipts, replies, and the messages to the workers."""

import io
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import jsonschema_rs
import pytest
import structlog
from kombu.exceptions import OperationalError

from api.openapi import openapi_document
from api.submissions import publisher
from pipeline.catalog.ingest import leases
from tasks.queues import SUBMISSION
from tasks.redis_state import import_backlog
from tasks.redis_state.import_backlog import MAX_WAITING
from tests.support.clients.web_client import FORM, MBID, WORD, code_of, error_of
from tests.support.polling import eventually

OTHER = "5d1f0c5e-1111-4aaa-8aaa-000000000002"
NIL = "00000000-0000-0000-0000-000000000000"


def test_a_submission_is_written_before_it_is_published(web) -> None:
    rows = []
    web.send_submissions = lambda ids: (rows.extend(web.receipts()), web.receive(ids))
    result = web.submit(
        fingerprint=WORD, duration=241, mbid=MBID, bitrate=320, fileformat="MP3", clientversion="1"
    )
    assert result.status_code == 200
    (submission_id,) = web.handed_on()
    (row,) = rows
    task_id = result.json["task"]["id"]
    assert result.text == (
        f'{{"status": "ok", "submissions": [{{"id": {row["id"]}, "status": "pending"}}], '
        f'"task": {{"id": "{task_id}"}}}}'
    )
    assert row["id"] == submission_id
    assert row["task_id"] == uuid.UUID(task_id)
    assert row["words"] == b"\0\0\0\x80"
    assert row["mbid"] == uuid.UUID(MBID)
    assert (row["state"], row["length"], row["bitrate"]) == ("pending", 241, 320)
    assert (row["format"], row["application_version"]) == ("MP3", "1")
    assert row["application_id"] == web.application_id


def test_the_index_is_a_text_and_only_of_items_that_have_one(web) -> None:
    result = web.submit(
        **{
            "fingerprint.0": WORD,
            "duration.0": 241,
            "mbid.0": [MBID, OTHER],
            "fingerprint.3": WORD,
            "duration.3": 3,
            "track.3": "x",
            "fingerprint": WORD,
            "duration": 5,
            "puid": MBID,
        }
    )
    first, *others = result.json["submissions"]
    assert set(first) == {"id", "status"}
    assert [entry["index"] for entry in others] == ["0", "0", "3"]
    assert [entry["id"] for entry in result.json["submissions"]] == web.handed_on()
    assert [row["length"] for row in web.receipts()] == [5, 241, 241, 3]
    assert len({row["task_id"] for row in web.receipts()}) == 1


def test_an_item_that_names_no_recording_is_no_submission(web) -> None:
    result = web.submit(fingerprint=WORD, duration=3, mbid=NIL, foreignid="v:1")
    assert result.text == (
        '{"skipped": [{"error": {"code": 2, "message": "missing required parameter \\"mbid\\": '
        "the nil UUID counts as absent; give an MBID, a PUID, or metadata such as track and "
        'artist"}, "index": ""}], "status": "ok", "submissions": []}'
    )
    assert web.submitted == []


def test_a_submission_in_xml(web) -> None:
    result = web.submit(fingerprint=WORD, duration=3, track="x", format="xml")
    assert "<submissions><submission><id>" in result.text
    assert "</id></task></response>" in result.text


def test_text_metadata_is_cleaned(web) -> None:
    web.submit(fingerprint=WORD, duration=3, track=" A \t\x00 B", trackno="10001", year="1999")
    assert web.receipts()[0]["meta"] == {"track": " A B", "year": 1999}


def test_a_bad_item_is_left_out_with_a_reason(web) -> None:
    bad = {"fingerprint.1": "!", "duration.1": 3, "track.1": "x"}
    alone = error_of(web.submit(**bad))
    result = web.submit(
        **{"fingerprint.0": WORD, "duration.0": "223.89", "track.0": "x"},
        **{"fingerprint.2": WORD, "duration.2": 3, "foreignid.2": "v:1"},
        **bad,
    )
    assert [entry["index"] for entry in result.json["submissions"]] == ["0"]
    first, second = result.json["skipped"]
    assert first == {"index": "1", "error": alone}
    assert (second["index"], second["error"]["code"]) == ("2", 2)
    assert second["error"]["message"].startswith('missing required parameter "mbid.2"')
    assert [row["length"] for row in web.receipts()] == [224]


def test_a_reply_with_skipped_items_conforms_to_the_document(web) -> None:
    document = openapi_document()
    validator = jsonschema_rs.validator_for(
        {**document, "$ref": "#/components/schemas/SubmitReply"}
    )
    form = {"fingerprint.0": WORD, "duration.0": 3}
    validator.validate(web.submit(**form).json)
    validator.validate(web.submit(**form, fingerprint=WORD, duration=3, track="x").json)


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"client": "", "user": ""}, 401, 2),
        ({"client": "nobodys", "user": ""}, 401, 4),
        ({"user": ""}, 401, 2),
        ({"user": "nobodys"}, 401, 6),
        ({"fingerprint": ""}, 400, 2),
        ({"duration": "0"}, 400, 8),
        ({"mbid": "x"}, 400, 7),
        ({"mbid": ""}, 400, 7),
        ({"mbid": [MBID, ""]}, 400, 7),
        ({"foreignid": "x"}, 400, 10),
        ({"bitrate": "40000"}, 400, 9),
        ({"fingerprint": "AQAAAA"}, 400, 3),
    ],
)
def test_errors(web, form, status, code) -> None:
    result = web.submit(**{"fingerprint": WORD, "duration": 3, "track": "x", **form})
    assert (result.status_code, code_of(result)) == (status, code)
    assert web.submitted == []


def test_a_missing_user_is_named(web) -> None:
    message = error_of(web.submit(user=""))["message"]
    assert message.startswith('missing required parameter "user"')


def test_without_a_broker_submissions_are_received(web) -> None:
    def fail(_: list[int]) -> None:
        raise OperationalError("refused")

    web.send_submissions = fail
    with structlog.testing.capture_logs() as logs:
        result = web.submit(fingerprint=WORD, duration=3, track="x")
        eventually(lambda: logs)
    assert result.status_code == 200
    assert [entry["status"] for entry in result.json["submissions"]] == ["pending"]
    assert [row["state"] for row in web.receipts()] == ["pending"]
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_concurrent_requests_share_a_chain(web) -> None:
    first, going = threading.Event(), threading.Event()

    def hold(ids: list[int]) -> None:
        web.receive(ids)
        first.set()
        assert going.wait(30)

    web.send_submissions = hold
    web.submit(fingerprint=WORD, duration=1, track="x")
    assert first.wait(30)
    with ThreadPoolExecutor(20) as pool:
        replies = [
            pool.submit(web.submit, fingerprint=WORD, duration=n, track="x") for n in range(2, 22)
        ]
    tasks = {reply.result().json["task"]["id"] for reply in replies}
    going.set()
    web.handed_on()
    assert len(tasks) == 20
    assert [len(ids) for ids in web.submitted] == [1, 20]


def test_submissions_are_held_back_while_messages_wait(make_web, monkeypatch) -> None:
    monkeypatch.setattr(publisher, "MAX_WAIT", 60.0)
    web = make_web()
    web.redis.rpush(SUBMISSION, "waiting", "too")
    for duration in (1, 2, 3):
        web.submit(fingerprint=WORD, duration=duration, track="x")
    assert web.submitted == []
    web.redis.delete(SUBMISSION)
    assert len(web.handed_on()) == 3
    assert len(web.submitted) == 1


def test_submissions_are_left_to_the_workers_while_the_queue_is_full(make_web, monkeypatch) -> None:
    monkeypatch.setattr(publisher, "MAX_WAIT", 0.02)
    web = make_web()
    web.redis.rpush(SUBMISSION, *["waiting"] * MAX_WAITING)
    first = web.submit(fingerprint=WORD, duration=1, track="x").json["submissions"][0]["id"]
    eventually(lambda: import_backlog.queue_state(web.redis).has_backlog)
    web.redis.delete(SUBMISSION)
    # An older submission waits, so a newer one waits too.
    second = web.submit(fingerprint=WORD, duration=2, track="x").json["submissions"][0]["id"]
    found: list[int] = []

    def claim() -> bool:
        with web.front_end.databases.engine("ingest").begin() as connection:
            claimed = [each.id for each in leases.claim(connection, 1000)]
        found.extend(each for each in claimed if each in {first, second})
        return len(found) == 2

    eventually(claim)
    assert found == [first, second]
    assert web.submitted == []


def test_submissions_are_refused_while_too_many_are_pending(make_web) -> None:
    web = make_web(api={"max_pending_submissions": 100})
    import_backlog.store_pending(web.redis, 101)
    reply = web.submit(fingerprint=WORD, duration=1, track="x")
    assert reply.status_code == 503
    assert reply.headers["Retry-After"] == "10"
    assert web.receipts() == []


def test_submissions_are_accepted_up_to_the_limit(make_web) -> None:
    web = make_web(api={"max_pending_submissions": 100})
    import_backlog.store_pending(web.redis, 100)
    assert web.submit(fingerprint=WORD, duration=1, track="x").status_code == 200


def test_an_invalid_wait_is_ignored(web) -> None:
    assert web.submit(fingerprint=WORD, duration=3, track="x", wait="x").status_code == 200


def test_with_wait_the_reply_has_the_final_states(web) -> None:
    ended = threading.Event()

    def work(ids: list[int]) -> None:
        web.finish(ids[0], "rejected", "too short")
        web.finish(ids[1], "failed", "no room")
        ended.set()

    web.send_submissions = work
    result = web.submit(
        wait=10,
        **{f"fingerprint.{n}": WORD for n in (0, 1)},
        **{f"duration.{n}": "3" for n in (0, 1)},
        **{f"track.{n}": "x" for n in (0, 1)},
    )
    assert ended.is_set()
    shown = [(entry["status"], entry["reason"]) for entry in result.json["submissions"]]
    assert shown == [("rejected", "too short"), ("failed", "no room")]


def test_after_the_wait_the_state_is_pending(web) -> None:
    result = web.submit(fingerprint=WORD, duration=3, track="x", wait=1)
    assert [entry["status"] for entry in result.json["submissions"]] == ["pending"]


def several(web, count: int = 3) -> bytes:
    """Return the multipart form of submissions with suffixes."""
    fields = {"client": web.application, "user": web.user}
    for number in range(count):
        fields |= {f"fingerprint.{number}": WORD, f"duration.{number}": "3", f"track.{number}": "x"}
    parts = "".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return f"{parts}--B--\r\n".encode()


def post_multipart(web, body: bytes, **headers: str):
    kind = "multipart/form-data; boundary=B"
    return web.http.simulate_post(
        "/v2/submit", body=body, headers={"Content-Type": kind, **headers}
    )


def test_a_form_without_its_end_is_refused(web) -> None:
    whole = several(web)
    last_parts = [at for at in range(len(whole)) if whole.startswith(b"--B", at)][-7:]
    for length in [*last_parts, last_parts[-1] + 3, last_parts[-1] + 4, len(whole) // 2]:
        result = post_multipart(web, whole[:length])
        assert (result.status_code, code_of(result)) == (400, 102)
    hidden = several(web).replace(b"\r\n\r\nx\r\n", b"\r\n\r\nx\r\n--B--x\r\n", 1)
    assert code_of(post_multipart(web, hidden)) == 102
    assert web.receipts() == []
    assert web.submitted == []
    assert len(post_multipart(web, whole).json["submissions"]) == 3


def test_a_body_shorter_than_its_length_is_refused(web) -> None:
    form = {"client": web.application, "user": web.user}
    form |= {"fingerprint.0": WORD, "duration.0": "3", "track.0": "x"}
    form |= {"fingerprint.1": WORD, "duration.1": "3", "track.1": "x"}
    body = urlencode(form)
    for kind, sent in ((FORM, body.encode()), ("multipart/form-data; boundary=B", several(web))):
        extras = {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(sent) + 1)}
        extras["wsgi.input"] = io.BytesIO(sent)
        result = web.http.simulate_post("/v2/submit", extras=extras)
        assert (result.status_code, code_of(result)) == (400, 102)
    assert web.receipts() == []


def test_many_submissions_in_one_request(web) -> None:
    form = {f"fingerprint.{n}": WORD for n in range(500)}
    form |= {f"duration.{n}": str(n + 1) for n in range(500)}
    form |= {f"track.{n}": f"Track {n}" for n in range(500)}
    result = web.submit(**form)
    assert [entry["index"] for entry in result.json["submissions"]] == [str(n) for n in range(500)]
    assert [row["length"] for row in web.receipts()] == list(range(1, 501))


def test_pending_submissions_are_counted_if_no_worker_has_counted_them(make_web) -> None:
    web = make_web()
    for duration in (1, 2):
        assert web.submit(fingerprint=WORD, duration=duration, track="x").status_code == 200
    limited = make_web(api={"max_pending_submissions": 1})
    assert limited.submit(fingerprint=WORD, duration=3, track="x").status_code == 503
