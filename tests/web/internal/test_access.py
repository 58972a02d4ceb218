"""``/v2/internal/*``: the secret is checked before all other parameters."""

from urllib.parse import urlencode

import pytest

from api.routes import ROUTES
from tests.support.clients.internal_requests import SECRET, XML, call, cluster
from tests.support.clients.web_client import FORM, code_of, error_of

NAMES = sorted(path.rpartition("/")[2] for path in ROUTES if path.startswith("/v2/internal/"))
MASTER = ("update_lookup_stats", "update_user_agent_stats")
WRONG = ["", "None", "x", SECRET[:-1], f"{SECRET} ", SECRET.upper(), "\0", "é" * 5000]

SHUT = {
    "code": 12,
    "message": 'not allowed: "secret" must be the cluster\'s secret, '
    "which this server must be configured with",
}


def test_there_are_seven_internal_paths() -> None:
    assert len(NAMES) == 7


@pytest.mark.parametrize("name", NAMES)
def test_all_paths_need_the_secret(make_web, name) -> None:
    web = make_web(cluster=cluster())
    result = web.get(f"/v2/internal/{name}")
    assert result.status_code == 400
    assert error_of(result) == SHUT
    for secret in WRONG:
        assert error_of(call(web, name, secret=secret)) == SHUT


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("configured", [None, ""])
def test_without_a_configured_secret_all_paths_are_closed(make_web, name, configured) -> None:
    web = make_web(cluster=cluster(secret=configured))
    assert error_of(web.get(f"/v2/internal/{name}")) == SHUT
    for secret in ("", "None", "null", SECRET):
        assert error_of(call(web, name, secret=secret)) == SHUT


@pytest.mark.parametrize("name", NAMES)
def test_with_the_secret_the_parameters_are_checked(make_web, name) -> None:
    web = make_web(cluster=cluster())
    result = call(web, name)
    if name == "create_account":
        assert result.status_code == 200
    else:
        assert code_of(result) == 2
    assert code_of(call(web, name, format="yaml")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_secret_is_checked_before_all_other_parameters(make_web, name) -> None:
    web = make_web(cluster=cluster())
    assert error_of(call(web, name, secret="x", format="yaml", hour="x", client="?")) == SHUT
    text = call(web, name, secret="x", format="xml").text
    assert text.startswith(f"{XML}<response><error><code>12</code><message>not allowed")


def test_the_secret_can_be_in_the_query(make_web) -> None:
    web = make_web(cluster=cluster())
    assert web.get("/v2/internal/create_account", secret=SECRET).status_code == 200
    body = urlencode({"secret": SECRET})
    result = web.http.simulate_post(
        "/v2/internal/create_account", query_string="secret=x", body=body, content_type=FORM
    )
    assert error_of(result) == SHUT


@pytest.mark.parametrize("name", NAMES)
def test_a_replica_refuses_counts(make_web, name) -> None:
    web = make_web(cluster=cluster(role="replica"))
    result = call(web, name)
    if name in MASTER:
        assert error_of(result) == {
            "code": 12,
            "message": "not allowed: this server is a replica: "
            "send the request to the cluster's master",
        }
        assert error_of(call(web, name, secret="x")) == SHUT
    else:
        assert result.status_code == 200 or code_of(result) == 2


def test_wrong_secrets_count_for_the_rate_limit(make_web) -> None:
    limits = {"global_limit": 0, "app_limit": 0, "ip_limit": 0.1}
    web = make_web(cluster=cluster(rate_limiter=limits))
    assert [code_of(call(web, "create_account", secret="x")) for _ in range(3)] == [12, 12, 14]
    result = call(web, "create_account")
    assert result.status_code == 200
    assert "X-RateLimit-Limit" not in result.headers
