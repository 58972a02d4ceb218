"""Tests of version 1 of the protocol, ``/lookup`` and ``/submit``, whose replies are XML only."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from api.http.bodies import MAX_BODY
from tests.support.clients.internal_requests import XML
from tests.support.clients.web_client import FORM, GID, MBID, WORD

TYPE = "text/xml; charset=UTF-8"


def lookup(web, **form: Any):
    return web.post("/lookup", **{"client": web.application, **form})


def submit(web, **form: Any):
    return web.post("/submit", **{"client": web.application, "user": web.user, **form})


def error_of(result) -> tuple[int, int, str]:
    """Return status, code and message of an error; fail if it is not an error in XML."""
    assert result.headers["Content-Type"] == TYPE
    assert result.text.startswith(f"{XML}<response><error><code>")
    assert result.text.endswith("</message></error><status>error</status></response>")
    root = ET.fromstring(result.content)  # noqa: S314 - our own
    return result.status_code, int(root.findtext("error/code") or 0), root.findtext("error/message")


def test_a_hit(web) -> None:
    result = lookup(web, fingerprint=WORD, length=241)
    assert result.status_code == 200
    assert result.headers["Content-Type"] == TYPE
    assert result.text == (
        f"{XML}<response><results><result><id>241</id><score>1.0</score></result></results>"
        "<status>ok</status></response>"
    )


def test_recordings_are_called_tracks(web) -> None:
    found = {"id": GID, "score": 0.5, "recordings": [{"id": MBID}]}
    web.worker.answer = lambda _: {"results": [found]}
    result = lookup(web, fingerprint=WORD, length=3, meta=1)
    shown = (
        f"<results><result><id>{GID}</id><score>0.5</score>"
        f"<tracks><track><id>{MBID}</id></track></tracks></result></results>"
    )
    assert result.text == f"{XML}<response>{shown}<status>ok</status></response>"
    result = lookup(web, fingerprint=WORD, length=3, meta=1, batch=1)
    assert result.text == (
        f"{XML}<response><fingerprints><fingerprint><index>None</index>{shown}</fingerprint>"
        "</fingerprints><status>ok</status></response>"
    )


def test_a_background_lookup_also_calls_recordings_tracks(make_web) -> None:
    web = make_web(features={"async_api": True})
    web.worker.answer = lambda _: {"results": [{"id": GID, "recordings": [{"id": MBID}]}]}
    reply = ET.fromstring(lookup(web, trackid=GID, **{"async": 1}).content)  # noqa: S314 - our own
    task_id = reply.findtext("task/id") or ""
    web.finish_lookup(task_id)
    task = web.get(f"/v2/task/{task_id}").json["task"]
    assert task["result"] == {"results": [{"id": GID, "tracks": [{"id": MBID}]}]}


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        (None, ""),
        ("", ""),
        ("0", ""),
        ("1", "recordingids"),
        ("2", "recordingids"),
        ("releases tracks", "recordingids"),
        ("x" * 50, "recordingids"),
    ],
)
def test_any_meta_adds_the_mbids(web, meta, words) -> None:
    lookup(web, trackid=GID, **({} if meta is None else {"meta": meta}))
    assert [batch.metas for batch in web.worker.batches] == [[words]]


@pytest.mark.parametrize("form", [{"format": "json"}, {"format": "jsonp", "jsoncallback": "f"}])
def test_the_reply_is_always_xml(web, form) -> None:
    assert lookup(web, trackid=GID, **form).text.startswith(f"{XML}<response><results>")
    result = web.get("/lookup", **form)
    assert error_of(result)[:2] == (401, 2)


def test_the_length_of_each_item_of_a_batch(web) -> None:
    form = {"fingerprint.1": WORD, "length.1": 10, "fingerprint.3": WORD, "length.3": "29.5"}
    root = ET.fromstring(lookup(web, batch=1, **form).content)  # noqa: S314 - our own
    assert [each.findtext("index") for each in root.iter("fingerprint")] == ["1", "3"]
    assert [each.findtext("id") for each in root.iter("result")] == ["10", "30"]


def test_an_item_that_is_left_out_has_a_reason(web) -> None:
    good, bad = {"fingerprint.1": WORD, "length.1": 10}, {"fingerprint.2": WORD, "length.2": "x"}
    root = ET.fromstring(lookup(web, batch=1, **good, **bad).content)  # noqa: S314 - our own
    assert root.findtext("skipped/item/index") == "2"
    assert root.findtext("skipped/item/error/code") == "2"
    message = root.findtext("skipped/item/error/message") or ""
    assert message.startswith('missing required parameter "length.2"')
    root = ET.fromstring(submit(web, **good, **bad, **{"track.1": "x"}).content)  # noqa: S314
    assert [each.findtext("index") for each in root.iter("submission")] == ["1"]
    assert root.findtext("skipped/item/error/message") == message


@pytest.mark.parametrize(
    ("form", "expected", "text"),
    [
        ({"client": ""}, (401, 2), 'missing required parameter "client"'),
        ({"client": "nobodys"}, (401, 4), "invalid API key"),
        ({"length": ""}, (400, 2), 'missing required parameter "length": the length of the'),
        ({"length": "", "duration": "3"}, (400, 2), 'missing required parameter "length"'),
        ({"length": "0"}, (400, 2), 'missing required parameter "length"'),
        ({"length": "0.4"}, (400, 2), 'missing required parameter "length"'),
        ({"length": "-1"}, (400, 8), 'parameter "length" must be a positive integer'),
        ({"length": "32768"}, (400, 8), 'parameter "length" must be a positive integer'),
        ({"fingerprint": "!"}, (400, 3), "invalid fingerprint"),
        ({"trackid": "x"}, (400, 7), 'parameter "trackid" is not a valid UUID'),
        ({"maxdurationdiff": "31"}, (400, 11), 'parameter "maxdurationdiff" must be between'),
    ],
)
def test_errors_of_a_lookup(web, form, expected, text) -> None:
    *found, message = error_of(lookup(web, **{"fingerprint": WORD, "length": "3", **form}))
    assert tuple(found) == expected
    assert message.startswith(text)


def test_the_text_of_an_error(web) -> None:
    assert lookup(web, client="nobodys").text == (
        f"{XML}<response><error><code>4</code><message>invalid API key: "
        '"client" must be the key of an active application registered on this server'
        "</message></error><status>error</status></response>"
    )


def test_errors_of_the_request_itself_are_xml(web) -> None:
    for path in ("/lookup", "/submit/"):
        body = "format=json&x=" + "y" * MAX_BODY
        result = web.http.simulate_post(path, body=body, content_type=FORM)
        assert error_of(result)[:2] == (413, 19)
        assert error_of(web.http.simulate_request("BREW", path))[:2] == (405, 101)


def test_a_submission(web) -> None:
    result = submit(
        web, fingerprint=WORD, length=241, format="MP3", fileformat="x", duration=7, mbid=MBID
    )
    assert result.status_code == 200
    (row,) = web.receipts()
    assert (row["length"], row["format"], row["state"]) == (241, "MP3", "pending")
    task_id = row["task_id"]
    assert result.text == (
        f"{XML}<response><status>ok</status><submissions><submission><id>{row['id']}</id>"
        f"<status>pending</status></submission></submissions><task><id>{task_id}</id></task>"
        "</response>"
    )


def test_submissions_with_suffixes(web) -> None:
    form = {"fingerprint.0": WORD, "length.0": 1, "format.0": "FLAC", "track.0": "x"}
    form |= {"fingerprint.7": WORD, "length.7": "32767.4", "track.7": "x"}
    root = ET.fromstring(submit(web, **form).content)  # noqa: S314 - our own
    assert [each.findtext("index") for each in root.iter("submission")] == ["0", "7"]
    assert [(row["length"], row["format"]) for row in web.receipts()] == [
        (1, "FLAC"),
        (32767, None),
    ]


@pytest.mark.parametrize(
    ("form", "expected", "text"),
    [
        ({"client": ""}, (401, 2), 'missing required parameter "client"'),
        ({"user": "nobodys"}, (401, 6), "invalid user API key"),
        ({"length": ""}, (400, 2), 'missing required parameter "length"'),
        ({"length": "x"}, (400, 2), 'missing required parameter "length"'),
        ({"length": " 0 "}, (400, 2), 'missing required parameter "length"'),
        ({"length": "32768"}, (400, 2), 'missing required parameter "length"'),
        ({"length": "0.4"}, (400, 2), 'missing required parameter "length"'),
        ({"length": "32767.5"}, (400, 2), 'missing required parameter "length"'),
        ({"length": "-1"}, (400, 8), 'parameter "length" must be a positive integer'),
        ({"fingerprint": ""}, (400, 2), 'missing required parameter "fingerprint"'),
        ({"mbid": "x"}, (400, 7), 'parameter "mbid" is not a valid UUID'),
        ({"mbid": ""}, (400, 7), 'parameter "mbid" is not a valid UUID'),
        ({"foreignid": "x"}, (400, 10), 'parameter "foreignid" is not a valid foreign ID'),
        ({"bitrate": "-1"}, (400, 9), 'parameter "bitrate" must be a positive integer'),
    ],
)
def test_errors_of_a_submission(web, form, expected, text) -> None:
    *found, message = error_of(
        submit(web, **{"fingerprint": WORD, "length": "3", "track": "x", **form})
    )
    assert tuple(found) == expected
    assert message.startswith(text)
    assert web.submitted == []


def test_an_error_names_the_parameter_with_its_suffix(web) -> None:
    result = submit(web, **{"fingerprint.2": WORD, "length.2": 40000, "track.2": "x"})
    assert error_of(result)[2].startswith('missing required parameter "length.2"')


def test_limits_apply_and_are_in_the_headers(make_web) -> None:
    rates = {"global_limit": 0, "app_limit": 0, "ip_limit": 0.1}
    web = make_web(cluster={"rate_limiter": rates})
    assert lookup(web, trackid=GID).headers["X-RateLimit-Remaining"] == "1"
    result = submit(web, fingerprint=WORD, length=3, track="x")
    assert result.headers["X-RateLimit-Remaining"] == "0"
    result = lookup(web, trackid=GID)
    assert error_of(result)[:2] == (429, 14)
    assert int(result.headers["Retry-After"]) >= 1
