"""``/v2/user/*``: user keys and anonymous accounts."""

import sqlalchemy as sa

from pipeline.catalog.app.tables import account
from tests.support.clients.web_client import WORD, code_of


def test_a_user_key_is_confirmed(web) -> None:
    result = web.get("/v2/user/lookup", user=web.user)
    assert result.text == f'{{"status": "ok", "user": {{"apikey": "{web.user}"}}}}'


def test_an_unknown_user_key_is_refused(web) -> None:
    result = web.get("/v2/user/lookup", user="nobodys")
    assert (result.status_code, code_of(result)) == (401, 6)
    result = web.get("/v2/user/lookup")
    assert (result.status_code, code_of(result)) == (401, 2)
    result = web.get("/v2/user/lookup", user="a\x00b")
    assert (result.status_code, code_of(result)) == (401, 6)


def test_a_new_anonymous_user_can_submit_at_once(web) -> None:
    result = web.post("/v2/user/create_anonymous", client=web.application, clientversion="1.0\x00b")
    assert result.status_code == 200
    key = result.json["user"]["apikey"]
    assert web.submit(user=key, fingerprint=WORD, duration=3, track="x").status_code == 200
    with web.front_end.databases.engine("app").connect() as connection:
        row = connection.execute(sa.select(account).where(account.c.apikey == key)).one()
    assert row.name == "Anonymous"
    assert row.application_id == web.application_id
    assert row.application_version == "1.0 b"
    assert str(row.created_from) == "127.0.0.1"


def test_a_key_works_at_once_although_its_absence_was_cached(web, monkeypatch) -> None:
    assert code_of(web.submit(user="Future1234")) == 6
    monkeypatch.setattr("pipeline.catalog.app.accounts.generate_key", lambda: "Future1234")
    web.post("/v2/user/create_anonymous", client=web.application)
    assert web.submit(user="Future1234", fingerprint=WORD, duration=3, track="x").json["task"]


def test_creating_a_user_needs_an_application_key(web) -> None:
    assert code_of(web.post("/v2/user/create_anonymous")) == 2
    assert code_of(web.post("/v2/user/create_anonymous", client="nobodys")) == 4
