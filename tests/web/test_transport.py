"""Common behaviour of all paths: methods, slashes, bodies, CORS, errors, metrics."""

import gzip
import json
import socket
from xml.etree import ElementTree as ET

import pytest
import structlog

from api.http.bodies import MAX_BODY
from cli.stack.servers.ports import free_port
from pipeline.runtime.databases import Databases
from pipeline.runtime.trace import current_trace_id
from tests.support.clients.web_client import FORM, WORD, code_of, error_of

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
PATHS = ["/v2/lookup", "/_health_docker", "/v2/nothing", "/", "/favicon.ico", "/v2/task/x"]


@pytest.mark.parametrize("method", METHODS)
def test_all_methods_get_the_same_answer(web, method) -> None:
    query = {"client": web.application, "fingerprint": WORD, "duration": "3"}
    result = web.http.simulate_request(method, "/v2/lookup", params=query)
    assert result.status_code == 200
    assert result.json == {"results": [{"id": "3", "score": 1.0}], "status": "ok"}


def test_head_returns_headers_only(web) -> None:
    result = web.http.simulate_head("/v2/lookup")
    assert result.status_code == 401
    assert result.content == b""
    assert int(result.headers["Content-Length"]) > 0


def test_get_does_not_read_a_body(web) -> None:
    body = f"client={web.application}&fingerprint={WORD}&duration=3"
    result = web.http.simulate_get("/v2/lookup", body=body, content_type=FORM)
    assert code_of(result) == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_query_and_body_are_merged_and_the_query_comes_first(web, method) -> None:
    query = f"client={web.application}&duration=3"
    body = f"duration=4&fingerprint={WORD}"
    result = web.http.simulate_request(
        method, "/v2/lookup", query_string=query, body=body, content_type=FORM
    )
    assert result.json["results"][0]["id"] == "3"


def test_a_multipart_form_is_read(web) -> None:
    parts = {"client": web.application, "fingerprint": WORD, "duration": "3"}
    body = "".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    result = web.http.simulate_post(
        "/v2/lookup", body=body + "--B--", content_type="multipart/form-data; boundary=B"
    )
    assert result.json["results"][0]["id"] == "3"


def test_a_json_body_is_not_read(web) -> None:
    result = web.http.simulate_post("/v2/lookup", json={"client": web.application})
    assert error_of(result)["message"].startswith('missing required parameter "client"')


@pytest.mark.parametrize("path", ["/v2/lookup/", "//v2/lookup", "/v2//lookup", "///v2//lookup//"])
def test_extra_slashes_are_ignored(web, path) -> None:
    result = web.get(path, client=web.application, fingerprint=WORD, duration=3)
    assert result.status_code == 200


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/", "/v2/nothing", "/v2/lookup/x", "/v1/lookup", "/v2/task", "/%ff%00"]
)
def test_an_unknown_path_is_an_error_in_json(web, path) -> None:
    result = web.get(path)
    assert result.status_code == 404
    assert error_of(result)["message"].startswith("not found")


def test_an_unknown_path_is_an_error_in_the_format_of_the_request(web) -> None:
    result = web.get("/v2/nothing", format="xml")
    assert result.status_code == 404
    assert ET.fromstring(result.content).findtext("error/code") == "100"  # noqa: S314 - our own
    result = web.get("/v2/nothing", format="jsonp", jsoncallback="f")
    assert result.text.startswith('f({"error": ')


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_method_is_refused(web, path) -> None:
    result = web.http.simulate_request("BREW", path)
    assert result.status_code == 405
    assert "GET" in result.headers["Allow"]
    assert error_of(result)["message"].startswith("method not allowed")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "BREW", "OPTIONS"])
def test_all_replies_allow_all_origins(web, path, method) -> None:
    result = web.http.simulate_request(method, path)
    assert result.headers["Access-Control-Allow-Origin"] == "*"


def test_a_preflight_is_answered_without_the_endpoint(web) -> None:
    headers = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-encoding",
    }
    result = web.http.simulate_options("/v2/lookup", headers=headers)
    assert result.status_code == 204
    assert result.content == b""
    assert "POST" in result.headers["Access-Control-Allow-Methods"]
    assert result.headers["Access-Control-Allow-Headers"] == "*"
    assert result.headers["Access-Control-Allow-Origin"] == "*"


def post_gzip(web, body: bytes):
    headers = {"Content-Encoding": "gzip", "Content-Type": FORM}
    return web.http.simulate_post("/v2/lookup", body=body, headers=headers)


def test_a_gzipped_body_is_read(web) -> None:
    form = f"client={web.application}&fingerprint={WORD}&duration=3".encode()
    assert post_gzip(web, gzip.compress(form)).json["results"][0]["id"] == "3"


def test_an_invalid_gzip_body_is_refused(web) -> None:
    result = post_gzip(web, b"client=x")
    assert result.status_code == 400
    assert "gzip" in error_of(result)["message"]


@pytest.mark.parametrize("size", [MAX_BODY + 1, 64 * MAX_BODY])
def test_a_gzip_body_that_inflates_to_too_much_is_refused(web, size) -> None:
    result = post_gzip(web, gzip.compress(b"\0" * size))
    assert result.status_code == 413
    assert code_of(result) == 19


def test_a_large_body_is_refused(web) -> None:
    result = web.post("/v2/lookup", fingerprint="A" * MAX_BODY)
    assert result.status_code == 413
    assert code_of(result) == 19


def test_an_error_of_the_body_has_the_format_of_the_query(web) -> None:
    result = web.http.simulate_post(
        "/v2/lookup", query_string="format=xml", body="x" * (MAX_BODY + 1), content_type=FORM
    )
    assert ET.fromstring(result.content).findtext("error/code") == "19"  # noqa: S314 - our own


def test_an_exception_is_logged_and_not_shown_to_the_client(web, monkeypatch) -> None:
    def write(*_: object) -> None:
        raise KeyError("password=hunter2")

    monkeypatch.setattr(web.front_end.receipts, "write", write)
    with structlog.testing.capture_logs() as logs:
        result = web.submit(fingerprint=WORD, duration=3, track="x")
    assert result.status_code == 500
    assert error_of(result) == {"code": 5, "message": "internal error"}
    (entry,) = [entry for entry in logs if entry["event"] == "unhandled exception"]
    assert entry["endpoint"] == "submit"
    assert isinstance(entry["exc_info"], KeyError)


def test_an_unreachable_database_is_a_503(web, settings, monkeypatch) -> None:
    unreachable = settings.database.model_copy(update={"port": free_port()})
    databases = Databases(settings.model_copy(update={"database": unreachable}))
    monkeypatch.setattr(web.front_end.databases, "engine", databases.engine)
    with structlog.testing.capture_logs() as logs:
        result = web.get("/v2/lookup", client="some-key")
    assert result.status_code == 503
    assert code_of(result) == 13
    assert result.headers["Retry-After"] == "1"
    assert "exc_info" not in logs[0]


def test_the_trace_id_is_cleared_after_a_request(web) -> None:
    web.get("/v2/lookup")
    web.http.simulate_request("BREW", "/v2/lookup")
    assert current_trace_id() is None


def test_metrics_have_the_endpoint_the_method_and_the_status(make_web) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        port = receiver.getsockname()[1]
        web = make_web(statsd={"host": "127.0.0.1", "port": port})
        web.get("/v2/lookup")
        web.get("/v2/secret-path", client="secret-key")
        received = []
        while len(received) < 6:
            line = receiver.recv(500).decode()
            if line.startswith("acoustid.api."):  # a thread measures clocks meanwhile
                received.append(line)
    counts = [line for line in received if line.endswith("|c")]
    assert counts == [
        "acoustid.api.handled_errors_total.2:1|c",
        "acoustid.api.requests_total.lookup.get.401:1|c",
        "acoustid.api.handled_errors_total.100:1|c",
        "acoustid.api.requests_total.other.get.404:1|c",
    ]
    timings = [line.partition(":")[0] for line in received if line.endswith("|ms")]
    assert timings == [
        "acoustid.api.request_duration_seconds.lookup.get",
        "acoustid.api.request_duration_seconds.other.get",
    ]


def test_raw_utf8_in_a_query_is_decoded(web) -> None:
    environ = {"QUERY_STRING": "format=é".encode().decode("latin-1")}
    result = web.http.simulate_get("/v2/lookup", extras=environ)
    assert json.loads(result.text)["error"]["message"].startswith('unknown format "é"')
