"""The rate limits: headers, refusals, exempt requests."""

import pytest

from tests.support.clients.web_client import FORM, GID, WORD, code_of, error_of

HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def limited(make_web, *, secret: str | None = None, **limits: float):
    rates = {"global_limit": 0, "app_limit": 0, "ip_limit": 0, **limits}
    return make_web(cluster={"rate_limiter": rates, "secret": secret})


def shown(result) -> list[str | None]:
    return [result.headers.get(name) for name in HEADERS[:2]]


def test_each_reply_has_the_remaining_requests(make_web) -> None:
    web = limited(make_web, ip_limit=1)
    assert shown(web.lookup(trackid=GID)) == ["20", "19"]
    assert shown(web.lookup(trackid=GID, format="xml")) == ["20", "18"]
    assert shown(web.submit(fingerprint=WORD, duration=3, track="x")) == ["20", "17"]
    assert shown(web.get("/v2/task/x")) == ["20", "16"]
    assert shown(web.get("/v2/user/lookup", user=web.user)) == ["20", "15"]
    assert shown(web.get("/v2/submission_status", client=web.application)) == ["20", "14"]


def test_an_unknown_path_has_the_headers_and_is_not_counted(make_web) -> None:
    web = limited(make_web, ip_limit=1)
    for method in ("GET", "POST", "BREW"):
        assert shown(web.http.simulate_request(method, "/v2/nothing")) == ["20", "20"]
    assert shown(web.get("/v2/openapi.json")) == ["20", "20"]


@pytest.mark.parametrize(
    "path", ["/v2/lookup", "/submit", "/v2/task/x", "/v2/internal/check_application"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "BREW"])
def test_each_request_of_a_limited_path_is_counted_once(make_web, path, method) -> None:
    web = limited(make_web, ip_limit=1)
    for left in ("19", "18"):
        assert shown(web.http.simulate_request(method, path)) == ["20", left]


def test_a_refused_request_has_retry_after(make_web) -> None:
    web = limited(make_web, ip_limit=0.1)
    assert web.lookup(trackid=GID).status_code == 200
    assert web.lookup(trackid=GID).status_code == 200
    result = web.lookup(trackid=GID)
    assert result.status_code == 429
    assert error_of(result) == {
        "code": 14,
        "message": "rate limit (0.100000 requests per second) exceeded, try again later",
    }
    assert 1 <= int(result.headers["Retry-After"]) <= 20
    assert shown(result) == ["2", "0"]
    assert int(result.headers["X-RateLimit-Reset"]) % 5 == 0
    assert "Retry-After" in result.headers["Access-Control-Expose-Headers"]
    assert len(web.worker.batches) == 2


def test_a_refused_submission_leaves_no_receipt(make_web) -> None:
    web = limited(make_web, app_limit=0.05)
    assert web.submit(fingerprint=WORD, duration=3, track="x").status_code == 200
    assert code_of(web.submit(fingerprint=WORD, duration=3, track="x")) == 14
    assert len(web.receipts()) == 1


def test_requests_with_the_cluster_secret_have_no_limit(make_web) -> None:
    web = limited(make_web, ip_limit=0.05, secret="sesame")
    for _ in range(3):
        result = web.lookup(trackid=GID, secret="sesame")
        assert result.status_code == 200
        assert shown(result) == [None, None]
    assert web.lookup(trackid=GID, secret="Sesame").status_code == 200
    assert web.lookup(trackid=GID, secret="Sesame").status_code == 429


@pytest.mark.parametrize("configured", [None, ""])
def test_without_a_configured_secret_all_requests_are_limited(make_web, configured) -> None:
    web = limited(make_web, ip_limit=0.05, secret=configured)
    web.lookup(trackid=GID)
    assert web.lookup(trackid=GID, secret="").status_code == 429
    assert web.lookup(trackid=GID, secret="None").status_code == 429


def test_without_limits_replies_have_no_headers(web) -> None:
    assert shown(web.lookup(trackid=GID)) == [None, None]
    assert list(web.redis.scan_iter("rl:*")) == []


def test_health_and_preflights_are_not_counted(make_web) -> None:
    web = limited(make_web, ip_limit=0.05)
    preflight = {"Origin": "x", "Access-Control-Request-Method": "POST"}
    for _ in range(3):
        assert shown(web.get("/_health_docker")) == [None, None]
        assert shown(web.http.simulate_options("/v2/lookup", headers=preflight)) == [None, None]
    assert web.lookup(trackid=GID).status_code == 200


def from_address(web, forwarded: str):
    query = {"client": web.application, "trackid": GID}
    headers = {"X-Forwarded-For": forwarded}
    return web.http.simulate_get("/v2/lookup", params=query, headers=headers).status_code


def test_a_forged_address_is_ignored(make_web) -> None:
    web = limited(make_web, ip_limit=0.05)
    assert from_address(web, "192.0.2.1") == 200
    assert from_address(web, "192.0.2.2") == 429


def test_a_trusted_proxy_sends_the_address(make_web) -> None:
    rates = {"global_limit": 0, "app_limit": 0, "ip_limit": 0.05}
    web = make_web(cluster={"rate_limiter": rates}, api={"trusted_proxies": 1})
    assert from_address(web, "9.9.9.9, 192.0.2.1") == 200
    assert from_address(web, "192.0.2.2") == 200
    assert from_address(web, "8.8.8.8, 192.0.2.1") == 429


BAD_ADDRESS = {"X-Forwarded-For": "192.0.2.1, unknown"}


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/v2/lookup", "/v2/submit", "/lookup", "/v2/task/x"])
def test_a_request_without_a_readable_address_counts_for_no_limit(make_web, method, path) -> None:
    """Also one with a bad key, or with the cluster's secret."""
    rates = {"global_limit": 1, "app_limit": 1, "ip_limit": 1}
    web = make_web(cluster={"rate_limiter": rates, "secret": "sesame"}, api={"trusted_proxies": 1})
    for query in ({"client": "x"}, {"client": web.application}, {"secret": "sesame"}):
        result = web.http.simulate_request(method, path, params=query, headers=BAD_ADDRESS)
        assert (result.status_code, "102" in result.text) == (400, True)
        assert shown(result) == [None, None]
    assert list(web.redis.scan_iter("rl:*")) == []


def test_the_error_of_a_bad_address_has_the_format_of_the_form(make_web) -> None:
    web = make_web(api={"trusted_proxies": 1})
    form = {"body": "format=xml", "content_type": FORM, "headers": BAD_ADDRESS}
    result = web.http.simulate_post("/v2/lookup", **form)
    assert result.status_code == 400
    assert "<code>102</code>" in result.text
    assert "X-Forwarded-For is not an IP address" in result.text


def test_paths_without_limits_need_no_address(make_web) -> None:
    web = make_web(api={"trusted_proxies": 1})
    preflight = {"Origin": "x", "Access-Control-Request-Method": "POST", **BAD_ADDRESS}
    assert web.http.simulate_get("/_health_docker", headers=BAD_ADDRESS).status_code == 200
    assert web.http.simulate_get("/docs", headers=BAD_ADDRESS).status_code == 200
    assert web.http.simulate_options("/v2/lookup", headers=preflight).status_code == 204
    unknown = web.http.simulate_get("/v2/nothing", headers=BAD_ADDRESS)
    assert (unknown.status_code, shown(unknown)) == (404, [None, None])
