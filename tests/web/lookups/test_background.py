"""Tests of ``/v2/lookup`` with ``async``: the task and its result."""

import json

import pytest

from cli.stack.servers.ports import LOOPBACK, free_port
from tests.support.clients.lookup_worker import echo
from tests.support.clients.web_client import GID, MBID, WORD, code_of, error_of

PARTIAL = 77
"""The duration of lookups with a partial answer."""


def test_async_is_refused_unless_it_is_enabled(web) -> None:
    result = web.get("/v2/lookup", **{"client": web.application, "trackid": GID, "async": 1})
    assert (result.status_code, code_of(result)) == (400, 12)


def test_async_answers_with_a_task(make_web) -> None:
    web = make_web(features={"async_api": True})
    result = web.lookup(**{"trackid": GID, "async": 1})
    assert result.status_code == 200
    assert set(result.json) == {"status", "task"}
    task_id = result.json["task"]["id"]
    task = web.get(f"/v2/task/{task_id}").json["task"]
    assert (task["kind"], task["state"], task["finished"]) == ("lookup", "pending", None)
    web.finish_lookup(task_id)
    task = web.get(f"/v2/task/{task_id}").json["task"]
    assert task["state"] == "finished"
    assert task["result"] == {"results": [{"id": GID, "score": 1.0}]}
    assert set(task) == {"id", "kind", "state", "stage", "created", "started", "finished", "result"}
    assert not web.worker.batches


@pytest.mark.parametrize(
    ("answers", "form"),
    [
        ({}, {"trackid": GID}),
        ({}, {"trackid": GID, "batch": 1}),
        ({}, {"trackid.1": GID, "trackid.7": MBID, "trackid.9": "x", "batch": 1}),
        ({}, {"fingerprint": WORD, "duration": PARTIAL}),
        ({}, {"fingerprint.0": WORD, "duration.0": PARTIAL, "trackid.1": GID, "batch": 1}),
        ({"3": "it is short"}, {"fingerprint.0": WORD, "duration.0": 3, "trackid.1": GID}),
        ({"3": "short"}, {"fingerprint.0": WORD, "duration.0": 3, "trackid.1": GID, "batch": 1}),
    ],
)
def test_an_async_lookup_has_the_result_of_an_ordinary_one(make_web, answers, form) -> None:
    web = make_web(features={"async_api": True})
    web.worker.answer = lambda lookup: (
        {"error": answers[str(lookup.duration)]}
        if str(lookup.duration) in answers
        else {**echo(lookup), **({"partial": True} if lookup.duration == PARTIAL else {})}
    )
    expected = web.lookup(**form).json
    assert expected.pop("status") == "ok"
    assert ('"partial": true' in json.dumps(expected)) == (PARTIAL in form.values())
    task_id = web.lookup(**form, **{"async": 1}).json["task"]["id"]
    web.finish_lookup(task_id)
    assert web.get(f"/v2/task/{task_id}").json["task"]["result"] == expected


def test_an_async_lookup_without_a_valid_item_fails_with_the_last_reason(make_web) -> None:
    web = make_web(features={"async_api": True})
    web.worker.answer = lambda _: {"error": "too short"}
    form = {"fingerprint.4": WORD, "duration.4": 3, "trackid.5": "x"}
    refused = error_of(web.lookup(**form))["message"]
    task_id = web.lookup(**form, **{"async": 1}).json["task"]["id"]
    web.finish_lookup(task_id)
    task = web.get(f"/v2/task/{task_id}").json["task"]
    assert (task["state"], task["reason"]) == ("failed", refused)
    assert "result" not in task


def test_another_front_end_shows_the_task(make_web) -> None:
    gone, other = (make_web(features={"async_api": True}) for _ in range(2))
    task_id = gone.lookup(**{"trackid": GID, "async": 1}).json["task"]["id"]
    gone.close()
    assert other.get(f"/v2/task/{task_id}").json["task"]["state"] == "pending"
    gone.finish_lookup(task_id)
    assert other.get(f"/v2/task/{task_id}").json["task"]["state"] == "finished"


def test_without_a_broker_an_async_lookup_is_refused(make_web) -> None:
    web = make_web(features={"async_api": True}, redis={"host": LOOPBACK, "port": free_port()})
    result = web.lookup(**{"trackid": GID, "async": 1})
    assert (result.status_code, code_of(result)) == (503, 13)
    assert result.headers["Retry-After"] == "1"


def test_a_bad_async_lookup_is_refused_at_once(make_web) -> None:
    web = make_web(features={"async_api": True})
    assert code_of(web.lookup(**{"trackid": "x", "async": 1})) == 7
