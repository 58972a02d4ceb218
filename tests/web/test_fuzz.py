"""Any request gets a reply of the protocol, without an unhandled exception."""

import gzip
import json
from urllib.parse import urlencode

import falcon
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.routes import ROUTES
from tests.support.clients.internal_requests import SECRET, cluster
from tests.support.clients.web_client import FORM, GID, MBID, WORD, Web

PATHS = (
    "/v2/lookup",
    "/v2/submit",
    "/v2/submission_status",
    "/v2/user/lookup",
    "/v2/task/x",
    "/v2/fingerprint",
    "/v2/track/list_by_mbid",
    "/v2/track/list_by_puid",
    "/v2/user/create_musicbrainz",
)
INTERNAL = sorted(path for path in ROUTES if path.startswith("/v2/internal/"))
TOLD = {
    "account_id": "1",
    "date": "2026-02-28",
    "hour": "1",
    "type": "hit",
    "count": "1",
    "user_agent": "x",
    "ip": "192.0.2.1",
    "from": "2026-02-28",
    "to": "2026-02-28",
    "days": "1",
    "name": "x",
    "version": "1",
    "active": "1",
    "api_key": "x",
}
SEARCHED = (
    "fingerprint",
    "duration",
    "trackid",
    "meta",
    "batch",
    "maxdurationdiff",
    "async",
    "excerpt",
    "second_chance",
    "disabled",
)
SUBMITTED = ("mbid", "puid", "foreignid", "bitrate", "fileformat", "trackno", "discno", "year")
TEXTS = (
    "track",
    "artist",
    "album",
    "albumartist",
    "clientversion",
    "secret",
    "jsoncallback",
    "access_token",
)
STEMS = (*SEARCHED, *SUBMITTED, *TEXTS, "id", "client", "user", "wait")
OFTEN = (WORD, GID, MBID, "", "0", "1", "-1", "3", "32768", "v:1", "9" * 30, "\0", "²", "é")

suffixes = st.sampled_from(["", ".0", ".1", ".²", ".x"])
names = st.tuples(st.sampled_from(STEMS), suffixes).map("".join)
values = st.one_of(st.sampled_from(OFTEN), st.text(max_size=40))
pairs = st.lists(st.tuples(st.one_of(names, st.text(max_size=10)), values), max_size=12)
relaxed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def web(make_web) -> Web:
    """An application with a sketch index, so that all parameters of lookups have an effect."""
    return make_web(fingerprint_index={"sketch_rate": 4})


def check(result: falcon.testing.Result) -> None:
    """Check that a reply is one of the protocol, and not an internal error."""
    assert result.headers["Access-Control-Allow-Origin"] == "*"
    body = json.loads(result.text)
    assert body["status"] in {"ok", "error"}
    assert (result.status_code == 200) == (body["status"] == "ok")
    if body["status"] == "error":
        assert body["error"]["code"] not in {5, 13}, body


def complete(web, sent: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Add valid keys before the generated parameters, and a valid item after them."""
    keys = [("client", web.application), ("user", web.user)]
    item = [("fingerprint", WORD), ("duration", "3"), ("track", "x")]
    return [*keys, *(pair for pair in sent if pair[0] not in {"wait", "format"}), *item]


@pytest.mark.parametrize("path", ["/v2/lookup", "/v2/submit", "/v2/user/create_anonymous"])
def test_each_parameter_with_odd_values(web, path) -> None:
    valid = dict(complete(web, []))
    for stem in set(STEMS) - {"wait"}:
        for value in (*OFTEN, "x" * 10_000, "\U0001f3b5" * 300):
            check(web.post(path, **{**valid, stem: value}))


@pytest.mark.parametrize("path", INTERNAL)
def test_each_internal_parameter_with_odd_values(make_web, path) -> None:
    web = make_web(cluster=cluster())
    told = {**TOLD, "client": web.application, "application_id": str(web.application_id)}
    for name in told:
        for value in (*OFTEN, "x" * 10_000, "0001-01-01", "9999-12-31", "2026-02-30"):
            check(web.post(path, **{**told, name: value, "secret": SECRET}))


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
