"""Tests of ``excerpt`` and ``second_chance`` of ``/v2/lookup``, with minimal workers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema_rs
import pytest

from api.openapi import openapi_document
from pipeline.messages import Lookup
from tests.support.clients.lookup_worker import refuse
from tests.support.clients.web_client import FORM, GID, MBID, WORD, Web, code_of, error_of

SKETCH = {"sketch_rate": 4}
PART = {"offset": -1.25, "duration": 10.03, "matched": 0.912}
TOO_SHORT = "it has 5 distinct words; it needs 12: about 4.5 s of music"
MESSAGE = (
    'invalid fingerprint: parameter "fingerprint": it has 5 distinct words; it needs 12: about '
    "4.5 s of music"
)


def found(lookup: Lookup) -> dict[str, Any]:
    """Return a worker's answer to an excerpt."""
    del lookup
    return {"results": [{"id": GID, "score": 0.824, "match": PART, "recordings": [{"id": MBID}]}]}


@pytest.fixture
def web(make_web) -> Web:
    """An application with a sketch index, whose worker of excerpts finds a track."""
    web = make_web(fingerprint_index=SKETCH, features={"demo_key": True, "async_api": True})
    web.excerpt_worker.answer = found
    return web


def flags(web: Web) -> list[tuple[bool, bool]]:
    """Return the flags of the lookups that were sent to the workers of ordinary lookups."""
    return [(each.excerpt, each.second_chance) for b in web.worker.batches for each in b.lookups]


def test_an_excerpt_is_sent_to_workers_of_its_own(web) -> None:
    result = web.lookup(fingerprint=WORD, excerpt=1)
    assert result.status_code == 200
    assert result.text == (
        f'{{"results": [{{"id": "{GID}", "match": {{"duration": 10.03, "matched": 0.912, '
        f'"offset": -1.25}}, "recordings": [{{"id": "{MBID}"}}], "score": 0.824}}], '
        '"status": "ok"}'
    )
    [batch] = web.excerpt_worker.batches
    [lookup] = batch.lookups
    assert (lookup.excerpt, lookup.second_chance, lookup.duration) == (True, False, 0)
    assert not web.worker.batches


def test_a_match_in_jsonp_and_xml(web) -> None:
    in_json = web.lookup(fingerprint=WORD, excerpt=1).text
    in_jsonp = web.lookup(fingerprint=WORD, excerpt=1, format="jsonp", jsoncallback="f").text
    assert in_jsonp == f"f({in_json})"
    in_xml = web.lookup(fingerprint=WORD, excerpt=1, format="xml").text
    part = "<duration>10.03</duration><matched>0.912</matched><offset>-1.25</offset>"
    assert f"<id>{GID}</id><match>{part}</match><recordings>" in in_xml


def test_replies_with_a_match_conform_to_the_document(web) -> None:
    schema = {**openapi_document(), "$ref": "#/components/schemas/LookupReply"}
    validator = jsonschema_rs.validator_for(schema)
    form = {"fingerprint": WORD, "excerpt": 1}
    for more in ({}, {"batch": 1}):
        validator.validate(web.lookup(**form, **more).json)


@pytest.mark.parametrize("value", ["0", "", "no", "1.5"])
def test_other_values_mean_an_ordinary_lookup(web, value) -> None:
    web.lookup(fingerprint=WORD, duration=3, excerpt=value, second_chance=value)
    assert flags(web) == [(False, False)]
    assert code_of(web.lookup(fingerprint=WORD, excerpt=value)) == 2  # no duration


def test_excerpts_by_get_and_in_a_form(web) -> None:
    query = f"client={web.application}&fingerprint={WORD}&excerpt=%201%20"
    assert web.http.simulate_get("/v2/lookup", query_string=query).status_code == 200
    assert web.http.simulate_post("/v2/lookup", body=query, content_type=FORM).status_code == 200
    assert len(web.excerpt_worker.batches) == 2


@pytest.mark.parametrize("duration", ["0", "", "x"])
def test_the_duration_of_an_excerpt_is_optional(web, duration) -> None:
    assert web.lookup(fingerprint=WORD, duration=duration, excerpt=1).status_code == 200


@pytest.mark.parametrize("duration", ["-1", "32768", "40000.7"])
def test_the_duration_of_an_excerpt_is_checked(web, duration) -> None:
    result = web.lookup(**{"fingerprint.3": WORD, "duration.3": duration, "excerpt": 1})
    assert (result.status_code, code_of(result)) == (400, 8)
    assert '"duration.3"' in error_of(result)["message"]


def test_a_batch_of_excerpts_and_track_ids(web) -> None:
    form = {"fingerprint.0": WORD, "trackid.1": MBID, "fingerprint.2": WORD, "trackid.3": "x"}
    result = web.lookup(**form, excerpt=1, batch=1)
    results = [each["results"][0] for each in result.json["fingerprints"]]
    assert [each["id"] for each in results] == [GID, MBID, GID]
    assert [each.get("match") for each in results] == [PART, None, PART]
    assert [each["index"] for each in result.json["skipped"]] == ["3"]
    assert [len(batch.lookups) for batch in web.excerpt_worker.batches] == [2]
    assert [len(batch.lookups) for batch in web.worker.batches] == [1]


def test_a_track_id_is_answered_as_without_excerpt(web) -> None:
    assert web.lookup(trackid=GID, excerpt=1).text == web.lookup(trackid=GID).text
    assert not web.excerpt_worker.batches


def test_an_excerpt_without_content_is_refused_with_what_it_lacks(web) -> None:
    web.excerpt_worker.answer = lambda _: {"error": TOO_SHORT}
    result = web.lookup(fingerprint=WORD, excerpt=1)
    assert (result.status_code, error_of(result)) == (400, {"code": 3, "message": MESSAGE})
    web.excerpt_worker.answer = refuse(0)
    result = web.lookup(fingerprint=WORD, excerpt=1)
    assert error_of(result)["message"].endswith("it is truncated: send all that fpcalc prints")


def test_in_a_batch_an_excerpt_without_content_is_skipped(web) -> None:
    web.excerpt_worker.answer = lambda lookup: (
        {"error": TOO_SHORT} if lookup.duration == 3 else found(lookup)
    )
    form = {"fingerprint.0": WORD, "duration.0": 3, "fingerprint.1": WORD}
    result = web.lookup(**form, excerpt=1, batch=1)
    [skipped] = result.json["skipped"]
    assert skipped["error"] == {"code": 3, "message": MESSAGE.replace('nt":', 'nt.0":')}
    assert [each["index"] for each in result.json["fingerprints"]] == [1]


def test_a_background_lookup_of_an_excerpt(web) -> None:
    task_id = web.lookup(**{"fingerprint": WORD, "excerpt": 1, "async": 1}).json["task"]["id"]
    [lookup] = web.background[task_id].lookups
    assert (lookup.excerpt, lookup.second_chance) == (True, False)
    web.worker.answer = found
    web.finish_lookup(task_id)
    task = web.get(f"/v2/task/{task_id}").json["task"]
    assert task["result"]["results"][0]["match"] == PART


@pytest.mark.parametrize("setting", [False, True])
def test_the_second_chance(make_web, setting) -> None:
    features = {"demo_key": True, "second_chance": setting}
    web = make_web(fingerprint_index=SKETCH, features=features)
    form = {"fingerprint": WORD, "duration": 241}
    for more in ({}, {"second_chance": "1"}, {"second_chance": "0"}, {"second_chance": "x"}):
        assert web.lookup(**form, **more).status_code == 200
    assert flags(web) == [(False, each) for each in (setting, True, False, setting)]
    assert not web.excerpt_worker.batches


def test_an_excerpt_gets_no_second_chance(make_web) -> None:
    web = make_web(fingerprint_index=SKETCH, features={"demo_key": True, "second_chance": True})
    for more in ({}, {"second_chance": 1}):
        assert web.lookup(fingerprint=WORD, excerpt=1, **more).status_code == 200
    sent = [each for batch in web.excerpt_worker.batches for each in batch.lookups]
    assert [(each.excerpt, each.second_chance) for each in sent] == [(True, False)] * 2


def test_version_1_has_neither(make_web) -> None:
    web = make_web(fingerprint_index=SKETCH, features={"demo_key": True, "second_chance": True})
    form = {"client": web.application, "fingerprint": WORD, "excerpt": 1, "second_chance": 1}
    assert web.post("/lookup", **form, length=3).status_code == 200
    assert flags(web) == [(False, False)]
    assert "length" in web.post("/lookup", **form).text


@pytest.mark.parametrize("name", ["excerpt", "second_chance"])
def test_without_a_sketch_index_both_are_refused_only_if_they_are_sent(make_web, name) -> None:
    web = make_web(features={"demo_key": True})
    form = {"fingerprint": WORD, "duration": 3}
    result = web.lookup(**form, **{name: 1})
    assert (result.status_code, code_of(result)) == (400, 12)
    message = f'not allowed: "{name}" is disabled on this server: omit it'
    assert error_of(result)["message"] == message
    assert web.lookup(**form, **{name: 0}).status_code == 200
    assert web.lookup(**form).status_code == 200
    assert flags(web) == [(False, False)] * 2


def test_both_kinds_of_lookups_have_answers_of_their_own_in_the_cache(make_web) -> None:
    web = make_web(fingerprint_index=SKETCH, api={"answer_cache": True})
    web.excerpt_worker.answer = found
    web.worker.answer = lambda lookup: (
        {"results": [{"id": MBID, "match": PART}] if lookup.second_chance else []}
    )
    form = {"fingerprint": WORD, "duration": 3}
    kinds = ({}, {"second_chance": 1}, {"excerpt": 1})
    first, again = ([web.lookup(**form, **more).text for more in kinds] for _ in range(2))
    assert first == again
    assert len(set(first)) == 3
    assert (len(web.worker.batches), len(web.excerpt_worker.batches)) == (2, 1)


def test_waiting_excerpts_leave_threads_to_ordinary_lookups(make_web) -> None:
    """With one of two threads for excerpts, a second excerpt is refused and a lookup answered."""
    web = make_web(fingerprint_index=SKETCH, http={"threads": 2})
    web.excerpt_worker.held = True
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(web.lookup, fingerprint=WORD, excerpt=1)
        web.excerpt_worker.wait_for(1)
        refused = web.lookup(fingerprint=WORD, excerpt=1)
        assert (refused.status_code, code_of(refused)) == (503, 13)
        assert web.lookup(fingerprint=WORD, duration=3).status_code == 200
        web.excerpt_worker.release()
        assert waiting.result(30).status_code == 200
    assert web.lookup(fingerprint=WORD, excerpt=1).status_code == 200


def test_a_worker_of_excerpts_that_does_not_answer_in_time(make_web) -> None:
    web = make_web(fingerprint_index=SKETCH, api={"lookup_timeout": 0.2})
    web.excerpt_worker.held = True
    result = web.lookup(fingerprint=WORD, excerpt=1)
    assert (result.status_code, code_of(result)) == (503, 13)
    assert result.headers["Retry-After"] == "1"


def test_excerpts_are_counted_like_lookups(web) -> None:
    web.lookup(fingerprint=WORD, excerpt=1)
    web.excerpt_worker.answer = lambda _: {"results": []}
    web.lookup(fingerprint=WORD, excerpt=1)
    assert web.front_end.counters.flush()
    counted = web.redis.hgetall("lookups")
    kinds = sorted(field.decode().rpartition(":")[2] for field in counted)
    assert kinds == ["hit", "miss"]
    assert set(counted.values()) == {b"1"}
