"""Whatever is sent: never an unhandled exception, always a reply of the protocol."""

import gzip
import json
from urllib.parse import urlencode

import falcon
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.client import FORM, GID, MBID, WORD

PATHS = (
    "/v2/lookup",
    "/v2/submit",
    "/v2/submission_status",
    "/v2/user/lookup",
    "/v2/task/x",
)
SEARCHED = ("fingerprint", "duration", "trackid", "meta", "batch", "maxdurationdiff", "async")
SUBMITTED = ("mbid", "puid", "foreignid", "bitrate", "fileformat", "trackno", "discno", "year")
TEXTS = ("track", "artist", "album", "albumartist", "clientversion", "secret", "jsoncallback")
STEMS = (*SEARCHED, *SUBMITTED, *TEXTS, "id", "client", "user", "wait")
OFTEN = (WORD, GID, MBID, "", "0", "1", "-1", "3", "32768", "v:1", "9" * 30, "\0", "²", "é")

suffixes = st.sampled_from(["", ".0", ".1", ".²", ".x"])
names = st.tuples(st.sampled_from(STEMS), suffixes).map("".join)
values = st.one_of(st.sampled_from(OFTEN), st.text(max_size=40))
pairs = st.lists(st.tuples(st.one_of(names, st.text(max_size=10)), values), max_size=12)
relaxed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check(result: falcon.testing.Result) -> None:
    """Check that a reply is one of the protocol, and no confession of a bug."""
    assert result.headers["Access-Control-Allow-Origin"] == "*"
    body = json.loads(result.text)
    assert body["status"] in {"ok", "error"}
    assert (result.status_code == 200) == (body["status"] == "ok")
    if body["status"] == "error":
        assert body["error"]["code"] not in {5, 13}, body


def complete(web, sent: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Add valid keys before what was made up and a valid item after it: the first value counts."""
    keys = [("client", web.application), ("user", web.user)]
    item = [("fingerprint", WORD), ("duration", "3"), ("track", "x")]
    return [*keys, *(pair for pair in sent if pair[0] not in {"wait", "format"}), *item]


@pytest.mark.parametrize("path", ["/v2/lookup", "/v2/submit", "/v2/user/create_anonymous"])
def test_each_parameter_with_odd_values(web, path) -> None:
    valid = dict(complete(web, []))
    for stem in set(STEMS) - {"wait"}:
        for value in (*OFTEN, "x" * 10_000, "\U0001f3b5" * 300):
            check(web.post(path, **{**valid, stem: value}))


@relaxed
@given(path=st.sampled_from(PATHS), sent=pairs)
def test_any_parameters(web, path, sent) -> None:
    check(web.http.simulate_get(path, query_string=urlencode(complete(web, sent))))
    check(web.http.simulate_post(path, body=urlencode(complete(web, sent)), content_type=FORM))


@relaxed
@given(
    path=st.sampled_from(PATHS),
    query=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60),
    body=st.binary(max_size=200),
    kind=st.sampled_from([FORM, "multipart/form-data; boundary=B", "text/plain", "x/y; =;"]),
)
def test_any_bytes(web, path, query, body, kind) -> None:
    if kind.startswith("multipart"):
        body = b"--B\r\nContent-Disposition: form-data; " + body + b"\r\n--B--\r\n"
    headers = {"Content-Type": kind}
    if len(body) % 2:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body) if len(body) % 4 == 1 else body
    result = web.http.simulate_post(
        path, body=body, headers=headers, extras={"QUERY_STRING": f"format=json&{query}"}
    )
    check(result)


@relaxed
@given(
    path=st.text(st.characters(exclude_characters="?", exclude_categories=["Cs"]), max_size=30),
    method=st.sampled_from(["GET", "POST", "OPTIONS", "BREW"]),
)
def test_any_path(web, path, method) -> None:
    result = web.http.simulate_request(method, f"/v2/{path}")
    assert result.status_code in {401, 404, 405}
    check(result)
