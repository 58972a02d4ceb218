"""Tests of ``/v2/lookup`` without ``batch`` and ``async``, with a minimal worker."""

import pytest

from tests.support.clients.lookup_worker import refuse
from tests.support.clients.web_client import FORM, GID, WORD, code_of, error_of

XML = "<?xml version='1.0' encoding='UTF-8'?>\n"


def test_a_hit(web) -> None:
    result = web.lookup(fingerprint=WORD, duration=241)
    assert result.status_code == 200
    assert result.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert result.text == '{"results": [{"id": "241", "score": 1.0}], "status": "ok"}'


def test_a_hit_by_track_id_in_the_clients_own_spelling(web) -> None:
    result = web.lookup(trackid=GID.upper())
    assert result.json["results"][0]["id"] == GID.upper()


def test_formats(web) -> None:
    asked = {"fingerprint": WORD, "duration": 241}
    assert web.lookup(**asked, format="xml").text == (
        f"{XML}<response><results><result><id>241</id><score>1.0</score></result></results>"
        "<status>ok</status></response>"
    )
    assert web.lookup(**asked, format="jsonp", jsoncallback="a.b").text == (
        'a.b({"results": [{"id": "241", "score": 1.0}], "status": "ok"})'
    )
    result = web.lookup(**asked, format="yaml")
    assert (result.status_code, code_of(result)) == (400, 1)
    assert result.text == (
        '{"error": {"code": 1, "message": "unknown format \\"yaml\\": use json, jsonp or xml"}, '
        '"status": "error"}'
    )


def test_an_answer_that_a_limit_made_partial_says_so(web) -> None:
    asked = {"fingerprint": WORD, "duration": 241}
    web.worker.answer = lambda _: {"results": [], "partial": True}
    assert web.lookup(**asked).text == '{"partial": true, "results": [], "status": "ok"}'
    assert web.lookup(**asked, format="jsonp", jsoncallback="f").text == (
        'f({"partial": true, "results": [], "status": "ok"})'
    )
    assert web.lookup(**asked, format="xml").text == (
        f"{XML}<response><partial>True</partial><results /><status>ok</status></response>"
    )
    old = web.get("/lookup", client=web.application, fingerprint=WORD, length=241)
    assert "<partial>True</partial>" in old.text


def test_no_match_is_no_error(web) -> None:
    web.worker.answer = lambda _: {"results": []}
    assert web.lookup(fingerprint=WORD, duration=3).text == '{"results": [], "status": "ok"}'
    assert "<results />" in web.lookup(fingerprint=WORD, duration=3, format="xml").text


def test_the_message_to_the_worker(web) -> None:
    web.lookup(fingerprint=WORD, duration="241 ", meta="releases recordings", maxdurationdiff=12)
    ((batch),) = web.worker.batches
    (lookup,) = batch.lookups
    assert lookup.fingerprint == bytes.fromhex("010000010719")
    assert (lookup.duration, lookup.max_duration_diff) == (241, 12)
    assert batch.metas == ["recordings releases"]


@pytest.mark.parametrize(
    "meta",
    [
        "recordings+releasegroups+compress",
        "recordings%2Breleasegroups%2Bcompress",
        "recordings,releasegroups,compress",
        "recordings%2C+releasegroups%20compress",
    ],
)
def test_the_separators_of_meta(web, meta) -> None:
    query = f"client={web.application}&trackid={GID}&meta={meta}"
    assert web.http.simulate_get("/v2/lookup", query_string=query).status_code == 200
    assert web.http.simulate_post("/v2/lookup", body=query, content_type=FORM).status_code == 200
    assert [batch.metas for batch in web.worker.batches] == [
        ["compress recordings releasegroups"]
    ] * 2


def test_metadata_is_passed_on_unchanged(web) -> None:
    recordings = [{"id": "x", "title": "Glåss", "duration": 241.5, "artists": []}]
    web.worker.answer = lambda _: {"results": [{"id": GID, "score": 0.5, "recordings": recordings}]}
    result = web.lookup(fingerprint=WORD, duration=3, meta="recordings")
    assert result.json["results"][0]["recordings"] == recordings
    assert "Gl\\u00e5ss" in result.text


def test_without_batch_only_the_first_is_looked_up(web) -> None:
    form = {"fingerprint.3": WORD, "duration.3": 3, "fingerprint.1": WORD, "duration.1": 1}
    assert web.lookup(**form).json["results"][0]["id"] == "1"
    assert [len(batch.lookups) for batch in web.worker.batches] == [1]


def test_if_the_first_cannot_be_decoded_the_next_is_looked_up(web) -> None:
    web.worker.answer = refuse(1, 2)
    form = {f"fingerprint.{n}": WORD for n in (1, 2, 3, 4)}
    form |= {f"duration.{n}": str(n) for n in (1, 2, 3, 4)}
    assert web.lookup(**form).json["results"][0]["id"] == "3"
    assert len(web.worker.batches) == 3


@pytest.mark.parametrize("batch", [0, 1])
def test_if_none_can_be_decoded_the_last_error_is_reported(web, batch) -> None:
    web.worker.answer = refuse(1, 2)
    form = {"fingerprint.1": WORD, "duration.1": 1, "fingerprint.2": WORD, "duration.2": 2}
    result = web.lookup(batch=batch, **form)
    assert result.status_code == 400
    error = error_of(result)
    assert error["code"] == 3
    assert error["message"].startswith("invalid fingerprint")
    assert "fingerprint.2" in error["message"]
    assert "truncated" in error["message"]
    result = web.lookup(batch=batch, **form, **{"fingerprint.9": WORD, "duration.9": "x"})
    assert error_of(result)["message"].startswith('missing required parameter "duration.9"')


def test_without_batch_a_limited_number_is_tried(web) -> None:
    web.worker.answer = refuse(3)
    form = {f"fingerprint.{n}": WORD for n in range(50)}
    form |= {f"duration.{n}": "3" for n in range(50)}
    result = web.lookup(**form)
    assert "fingerprint.19" in error_of(result)["message"]
    assert len(web.worker.batches) == 20


@pytest.mark.parametrize(
    ("form", "status", "code", "text"),
    [
        ({"client": ""}, 401, 2, 'missing required parameter "client"'),
        ({"client": "nobodys"}, 401, 4, "invalid API key"),
        ({}, 400, 2, 'missing required parameter "fingerprint"'),
        ({"fingerprint": WORD}, 400, 2, 'missing required parameter "duration"'),
        ({"duration": "3"}, 400, 2, 'missing required parameter "fingerprint"'),
        ({"fingerprint": " " + WORD, "duration": "3"}, 400, 3, "invalid fingerprint"),
        ({"fingerprint": WORD, "duration": "-1"}, 400, 8, 'parameter "duration" must be a posi'),
        ({"trackid": "x"}, 400, 7, 'parameter "trackid" is not a valid UUID'),
        (
            {"trackid": GID, "maxdurationdiff": "31"},
            400,
            11,
            'parameter "maxdurationdiff" must be between 1 and 30',
        ),
    ],
)
def test_errors(web, form, status, code, text) -> None:
    result = web.lookup(**form)
    assert result.status_code == status
    error = error_of(result)
    assert error["code"] == code
    assert error["message"].startswith(text)
    assert ("WWW-Authenticate" in result.headers) == (status == 401)


def test_the_demo_key_is_valid_only_if_it_is_enabled(web, make_web) -> None:
    assert web.lookup(client="8XaBELgH", trackid=GID).status_code == 200
    off = make_web(features={"demo_key": False})
    assert code_of(off.lookup(client="8XaBELgH", trackid=GID)) == 4


def test_a_worker_that_does_not_answer_in_time(make_web) -> None:
    web = make_web(api={"lookup_timeout": 0.2})
    web.worker.held = True
    result = web.lookup(fingerprint=WORD, duration=3)
    assert result.status_code == 503
    assert error_of(result)["message"] == "service currently unavailable, try again later"
    assert code_of(result) == 13
    assert result.headers["Retry-After"] == "1"


def test_a_worker_that_fails(web) -> None:
    web.send_lookups = lambda batch: web.worker.reply(batch, failed=True)
    result = web.lookup(fingerprint=WORD, duration=3)
    assert (result.status_code, code_of(result)) == (500, 5)


def test_mismatches_are_hidden_by_a_setting_and_not_by_a_word(make_web) -> None:
    """Also in version 1 and in the background. Without metadata there is nothing to hide."""
    word = "hide_duration_mismatches"
    hiding = make_web(features={"async_api": True, word: True})
    plain = make_web(features={"async_api": True})
    for web in (hiding, plain):
        web.lookup(trackid=GID, meta=f"recordings {word}")
        web.lookup(trackid=GID, meta=word)
        web.get("/lookup", client=web.application, fingerprint=WORD, length=3, meta=1)
        web.lookup(**{"trackid": GID, "meta": "m2", "async": 1})
    sent = [meta for batch in plain.worker.batches for meta in batch.metas]
    assert sent == ["recordings", "", "recordingids"]
    hidden = [meta for batch in hiding.worker.batches for meta in batch.metas]
    assert hidden == [f"recordings {word}", "", f"recordingids {word}"]
    assert [each.meta for each in plain.background.values()] == ["m2"]
    assert [each.meta for each in hiding.background.values()] == [f"m2 {word}"]
