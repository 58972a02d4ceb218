"""``/v2/user/create_musicbrainz``: the account of a MusicBrainz user."""

import logging
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
import structlog

from api.users.musicbrainz_tokens import MAX_REPLY, MusicbrainzUsers
from cli.stack.servers.ports import free_port
from pipeline.catalog.app.tables import account
from tests.support.clients.web_client import WORD, Web, code_of, error_of
from tests.support.processes.musicbrainz_server import PATH as USERINFO
from tests.support.processes.musicbrainz_server import FakeMusicbrainz, running_musicbrainz

PATH = "/v2/user/create_musicbrainz"
TOKEN = "meba_aBc-123._~+/=="
XML = "<?xml version='1.0' encoding='UTF-8'?>\n"


@pytest.fixture
def musicbrainz() -> Iterator[FakeMusicbrainz]:
    with running_musicbrainz() as fake:
        yield fake


@pytest.fixture
def behind(make_web: Callable[..., Web], musicbrainz: FakeMusicbrainz, databases: object) -> Web:
    """A front end behind a proxy, without accounts of other tests."""
    del databases
    return make_web(api={"trusted_proxies": 1, "musicbrainz_userinfo_url": musicbrainz.url})


def create(web: Web, scheme: str = "https", **form: str):
    headers = {"X-Forwarded-Proto": scheme}
    return web.http.simulate_post(PATH, params={"access_token": TOKEN, **form}, headers=headers)


def users(web: Web) -> list[tuple[str, str, str]]:
    statement = sa.select(account.c.name, account.c.mbuser, account.c.apikey)
    with web.front_end.databases.engine("app").connect() as connection:
        found = connection.execute(statement.where(account.c.mbuser.is_not(None)))
        return [(row.name, row.mbuser, row.apikey) for row in found]


def test_a_new_user_gets_an_account(behind, musicbrainz) -> None:
    musicbrainz.knows(sub="Ångström", email="x@example.org", metabrainz_user_id=3)
    result = create(behind)
    assert result.status_code == 200
    ((name, mbuser, key),) = users(behind)
    assert (name, mbuser) == ("Ångström", "Ångström")
    assert result.text == f'{{"status": "ok", "user": {{"apikey": "{key}"}}}}'


def test_the_reply_in_xml(behind, musicbrainz) -> None:
    musicbrainz.knows(sub="a")
    text = create(behind, format="xml").text
    key = users(behind)[0][2]
    body = f"<response><status>ok</status><user><apikey>{key}</apikey></user></response>"
    assert text == XML + body


def test_the_token_is_sent_in_a_header_only(behind, musicbrainz) -> None:
    musicbrainz.knows(sub="a")
    create(behind)
    ((path, headers),) = musicbrainz.asked
    assert path == USERINFO
    assert headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_known_user_gets_the_existing_account(behind, musicbrainz) -> None:
    musicbrainz.knows(sub="Ada")
    key = create(behind).json["user"]["apikey"]
    musicbrainz.knows(sub="ADA")
    assert create(behind).json["user"]["apikey"] == key
    assert users(behind) == [("Ada", "Ada", key)]


def test_the_key_works_at_once(behind, musicbrainz, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.catalog.app.accounts.generate_key", lambda: "Future1234")
    assert code_of(behind.submit(user="Future1234")) == 6
    musicbrainz.knows(sub="a")
    assert create(behind).json["user"]["apikey"] == "Future1234"
    assert behind.submit(user="Future1234", fingerprint=WORD, duration=3, track="x").json["task"]
    assert behind.get("/v2/user/lookup", user="Future1234").status_code == 200


def test_the_key_of_a_disabled_account_is_not_returned(behind, musicbrainz) -> None:
    musicbrainz.knows(sub="a")
    key = create(behind).json["user"]["apikey"]
    with behind.front_end.databases.engine("app").begin() as connection:
        connection.execute(sa.update(account).where(account.c.apikey == key).values(active=False))
    behind.front_end.access.keys.accounts.publish(key, None)
    result = create(behind)
    assert (result.status_code, code_of(result)) == (400, 12)
    assert key not in result.text
    assert code_of(behind.submit(user=key, fingerprint=WORD, duration=3, track="x")) == 6


def test_https_is_required(behind, musicbrainz, make_web) -> None:
    result = create(behind, scheme="http")
    assert result.status_code == 400
    assert error_of(result) == {
        "code": 16,
        "message": "only requests over HTTPS are allowed here",
    }
    alone = make_web(api={"musicbrainz_userinfo_url": musicbrainz.url})
    assert code_of(create(alone)) == 16
    assert musicbrainz.asked == []
    musicbrainz.knows(sub="a")
    result = alone.http.simulate_post(PATH, params={"access_token": TOKEN}, protocol="https")
    assert result.status_code == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_missing_token_is_an_error(behind, musicbrainz, scheme) -> None:
    result = create(behind, scheme=scheme, access_token="")
    assert (result.status_code, code_of(result)) == (400, 2)
    message = error_of(result)["message"]
    assert message.startswith('missing required parameter "access_token"')
    assert musicbrainz.asked == []


def refused(web: Web, musicbrainz: FakeMusicbrainz, asked: int, **form: str) -> None:
    """Check that the request is refused, and that no log has the token."""
    result = create(web, **form)
    assert result.status_code == 400
    assert error_of(result) == {
        "code": 15,
        "message": "invalid MusicBrainz access token: MusicBrainz did not confirm it",
    }
    assert len(musicbrainz.asked) == asked
    assert users(web) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 201, 204])
def test_a_status_other_than_200_is_refused(behind, musicbrainz, status) -> None:
    musicbrainz.knows(sub="a")
    musicbrainz.status = status
    refused(behind, musicbrainz, 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(behind, musicbrainz, status) -> None:
    musicbrainz.knows(sub="a")
    musicbrainz.status, musicbrainz.location = status, f"{musicbrainz.url}/elsewhere"
    refused(behind, musicbrainz, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b'"a"',
        b"null",
        b"{}",
        b'{"sub": null}',
        b'{"sub": ""}',
        b'{"sub": 7}',
        b'{"sub": ["a"]}',
        b'{"sub": "a\\u0000b"}',
        b'{"sub": "' + 256 * b"a" + b'"}',
        b'{"sub": "a", "x": "' + MAX_REPLY * b"a" + b'"}',
        b"[" * MAX_REPLY,
    ],
)
def test_a_reply_without_a_user_is_refused(behind, musicbrainz, body) -> None:
    musicbrainz.body = body
    refused(behind, musicbrainz, 1)


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Other: 1", "é", "a\0", "=", "x" * 5000])
def test_an_invalid_token_is_not_sent(behind, musicbrainz, token) -> None:
    musicbrainz.knows(sub="a")
    refused(behind, musicbrainz, 0, access_token=token)


def test_an_unreachable_musicbrainz_is_an_error(make_web, databases) -> None:
    del databases
    url = f"http://127.0.0.1:{free_port()}/"
    web = make_web(api={"trusted_proxies": 1, "musicbrainz_userinfo_url": url})
    assert code_of(create(web)) == 15


def test_a_slow_musicbrainz_is_an_error(musicbrainz) -> None:
    musicbrainz.knows(sub="a")
    musicbrainz.released.clear()
    assert MusicbrainzUsers(musicbrainz.url, timeout=0.1).name(TOKEN) is None
    musicbrainz.released.set()
    assert MusicbrainzUsers(musicbrainz.url).name(TOKEN) == "a"


@pytest.mark.parametrize("status", [200, 302, 401])
def test_no_log_has_the_token(behind, musicbrainz, status, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    musicbrainz.knows(sub="a")
    musicbrainz.status = status
    with structlog.testing.capture_logs() as logs:
        create(behind)
    assert musicbrainz.tokens() == [f"Bearer {TOKEN}"]
    assert "meba" not in repr(logs) + caplog.text


def test_the_address_is_limited(make_web, musicbrainz) -> None:
    rates = {"global_limit": 0, "app_limit": 0, "ip_limit": 0.1}
    api = {"trusted_proxies": 1, "musicbrainz_userinfo_url": musicbrainz.url}
    web = make_web(cluster={"rate_limiter": rates}, api=api)
    assert code_of(create(web, access_token="")) == 2
    assert code_of(create(web)) == 15
    assert code_of(create(web)) == 14
    assert len(musicbrainz.asked) == 1
