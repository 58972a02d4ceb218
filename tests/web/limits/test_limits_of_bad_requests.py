"""The tiers in which a bad request counts depend on its keys only."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from falcon import testing

from api.http.bodies import MAX_BODY
from api.lookups import request as lookup_request
from api.submissions import request as submit_request
from pipeline.catalog.app import accounts
from tests.support.clients.web_client import FORM, GID, WORD, Web, code_of

SECRET = "sesame"
LIMITS = {"global_limit": 5, "app_limit": 4, "ip_limit": 3}
MULTIPART = "multipart/form-data; boundary=B"
VALID = {"fingerprint": WORD, "duration": 3, "track": "x"}

ALL = ["app", "global", "ip"]
NO_KEY = ["global", "ip"]

Ask = Callable[[Web, str], testing.Result]


def counted(web: Web) -> dict[str, int]:
    """Return the requests counted in each tier."""
    found: dict[str, int] = {}
    for key in web.redis.scan_iter("rl:*"):
        tier = key.decode().split(":")[1]
        if tier != "request":
            found[tier] = found.get(tier, 0) + int(web.redis.get(key))
    return found


def post(body: bytes | str, kind: str = FORM, query: str = "") -> Ask:
    return lambda web, path: web.http.simulate_post(
        path, body=body, headers={"Content-Type": kind}, query_string=query
    )


def form(**changes: Any) -> Ask:
    def send(web: Web, path: str) -> testing.Result:
        fields = {"client": web.application, "user": web.user, **VALID, **changes}
        return web.post(
            path, **{name: value for name, value in fields.items() if value is not None}
        )

    return send


def numbered(count: int) -> dict[str, str]:
    items = {f"fingerprint.{n}": WORD for n in range(count)}
    return items | {f"duration.{n}": "3" for n in range(count)}


def unreadable(web: Web, path: str) -> testing.Result:
    """Send valid keys in an incomplete form."""
    part = f'--B\r\nContent-Disposition: form-data; name="client"\r\n\r\n{web.application}\r\n'
    return post(part, MULTIPART)(web, path)


KINDS: list[tuple[str, Ask, list[str], int]] = [
    ("valid", form(), ALL, 200),
    ("empty fingerprint", form(fingerprint=""), ALL, 400),
    ("fingerprint without words", form(fingerprint="AQAAAA"), ALL, 400),
    ("undecodable fingerprint", form(fingerprint="!"), ALL, 400),
    ("no fingerprint", form(fingerprint=None), ALL, 400),
    ("no duration", form(duration=None), ALL, 400),
    ("no client", form(client=None), NO_KEY, 401),
    ("invalid client", form(client="nobodys"), NO_KEY, 401),
    ("unreadable multipart", unreadable, NO_KEY, 400),
    ("no boundary", post("x", "multipart/form-data"), NO_KEY, 400),
    ("too large", post("client=x&a=" + "x" * MAX_BODY), NO_KEY, 413),
    ("too many parameters", post("&" * 60_000), NO_KEY, 413),
    ("unknown format", form(format="yaml"), NO_KEY, 400),
    (
        "method that there is not",
        lambda web, path: web.http.simulate_request("BREW", path),
        NO_KEY,
        405,
    ),
]

ONLY_LOOKUPS: list[tuple[str, Ask, list[str], int]] = [
    ("over-large batch", form(batch=1, **numbered(21)), ALL, 413),
    ("async where it is off", form(**{"async": 1}), ALL, 400),
    ("bad tolerance", form(maxdurationdiff=99), ALL, 400),
]

ONLY_SUBMISSIONS: list[tuple[str, Ask, list[str], int]] = [
    ("no user", form(user=None), NO_KEY, 401),
    ("invalid user", form(user="nobodys"), NO_KEY, 401),
    ("nothing named", form(track=None), ALL, 200),
]

CASES = [
    pytest.param(path, ask, tiers, status, id=f"{path} {name}")
    for path, kinds in (
        ("/v2/lookup", KINDS + ONLY_LOOKUPS),
        ("/v2/submit", KINDS + ONLY_SUBMISSIONS),
    )
    for name, ask, tiers, status in kinds
]


@pytest.fixture
def limited(make_web: Callable[..., Web]) -> Web:
    return make_web(cluster={"rate_limiter": LIMITS, "secret": SECRET})


def answer_words(lookup: Any) -> dict[str, Any]:
    """Answer like a worker, which decodes the fingerprint."""
    return {"error": "empty"} if lookup.fingerprint == b"\1\0\0\0" else {"results": []}


@pytest.mark.parametrize(("path", "ask", "tiers", "status"), CASES)
def test_a_request_counts_once_in_the_tiers_of_its_keys(
    limited: Web, path: str, ask: Ask, tiers: list[str], status: int
) -> None:
    limited.worker.answer = answer_words
    result = ask(limited, path)
    assert result.status_code == status
    assert counted(limited) == dict.fromkeys(tiers, 1)
    assert int(result.headers["X-RateLimit-Remaining"]) == LIMITS["ip_limit"] * 20 - 1


@pytest.mark.parametrize("path", ["/lookup", "/submit"])
def test_version_1_counts_in_the_same_way(limited: Web, path: str) -> None:
    keys = {"client": limited.application, "user": limited.user}
    limited.post(path, **keys, fingerprint="!", length=3)
    assert counted(limited) == {"app": 1, "global": 1, "ip": 1}
    limited.post(path, fingerprint="!", length=3)
    assert counted(limited) == {"app": 1, "global": 2, "ip": 2}


def fill_address(web: Web) -> None:
    for _ in range(2):
        assert web.get("/v2/lookup").status_code == 401


@pytest.mark.parametrize(("path", "ask", "tiers", "status"), CASES)
def test_over_the_limit_requests_are_refused_and_count_in_no_tier(
    make_web: Callable[..., Web],
    path: str,
    ask: Ask,
    tiers: list[str],  # noqa: ARG001 - the same cases
    status: int,  # noqa: ARG001 - the same cases
) -> None:
    web = make_web(cluster={"rate_limiter": {**LIMITS, "ip_limit": 0.1}})
    fill_address(web)
    result = ask(web, path)
    assert result.status_code == 429
    assert "X-RateLimit-Reset" in result.headers
    assert int(result.headers["Retry-After"]) >= 1
    assert counted(web) == {"global": 2, "ip": 2}


def test_an_application_with_its_own_limit_counts_for_no_address(limited: Web) -> None:
    with limited.front_end.databases.engine("app").begin() as connection:
        own = accounts.create_application(connection, "own", rate_limit=50)
    for fingerprint in (WORD, "", "!"):
        form(client=own.key, fingerprint=fingerprint)(limited, "/v2/lookup")
    assert counted(limited) == {"app": 3, "global": 3}
    form(client=own.key, format="yaml")(limited, "/v2/lookup")
    assert counted(limited) == {"app": 3, "global": 4, "ip": 1}


@pytest.mark.parametrize("changes", [{}, {"fingerprint": ""}, {"client": None}, {"format": "yaml"}])
@pytest.mark.parametrize("path", ["/v2/lookup", "/v2/submit"])
def test_requests_with_the_cluster_secret_are_not_counted(
    limited: Web, path: str, changes: Any
) -> None:
    result = form(secret=SECRET, **changes)(limited, path)
    assert "X-RateLimit-Limit" not in result.headers
    query = urlencode({"secret": SECRET})
    post("x", "multipart/form-data", query)(limited, path)
    assert counted(limited) == {}


def test_a_flood_of_empty_fingerprints_ends_at_the_limit(
    make_web: Callable[..., Web], monkeypatch: pytest.MonkeyPatch
) -> None:
    web = make_web(cluster={"rate_limiter": {**LIMITS, "ip_limit": 0.1}})
    fill_address(web)
    decoded: list[str] = []
    monkeypatch.setattr(lookup_request, "unpack_text", decoded.append)
    monkeypatch.setattr(submit_request, "decode", decoded.append)
    many = {f"fingerprint.{n}": "" for n in range(5000)}
    for fields in ({"fingerprint": ""}, {"fingerprint": WORD}, many):
        for path in ("/v2/lookup", "/v2/submit"):
            assert code_of(form(**fields)(web, path)) == 14
    assert decoded == []


def test_a_batch_decodes_no_more_fingerprints_than_the_limit(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []

    def unpack(text: str) -> bytes:
        decoded.append(text)
        return b"\1\0\0\1\7\x19"

    monkeypatch.setattr(lookup_request, "unpack_text", unpack)
    fields = {"client": web.application, "batch": 1, **numbered(5000), "trackid": GID}
    assert code_of(web.post("/v2/lookup", **fields)) == 19
    assert len(decoded) == 21


def test_a_request_counts_while_the_database_is_unreachable(
    limited: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(limited.front_end.access.keys.applications, "find", find)
    assert limited.lookup(trackid=GID).status_code == 500
    assert counted(limited) == {"global": 1, "ip": 1}
