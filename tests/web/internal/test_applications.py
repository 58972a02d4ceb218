"""``/v2/internal/*``: accounts and applications are created, enabled and checked."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline.catalog.app import accounts
from pipeline.catalog.app.keys.key_administration import APPLICATIONS, rotate_key
from pipeline.catalog.app.tables import account, application
from tests.support.clients.internal_requests import XML, call, cluster
from tests.support.clients.web_client import GID, WORD, code_of, error_of


@pytest.fixture
def web(make_web):
    return make_web(cluster=cluster())


def row(web, table, number: int):
    with web.front_end.databases.engine("app").connect() as connection:
        return connection.execute(sa.select(table).where(table.c.id == number)).one()


def make_account(web) -> int:
    number: int = call(web, "create_account").json["id"]
    return number


def make_application(web, account_id: int) -> tuple[int, str]:
    made = call(web, "create_application", account_id=account_id, name="Player").json
    return made["id"], made["api_key"]


def test_a_new_account_can_submit_at_once(web) -> None:
    result = call(web, "create_account")
    assert result.status_code == 200
    made = row(web, account, result.json["id"])
    assert result.text == f'{{"api_key": "{made.apikey}", "id": {made.id}, "status": "ok"}}'
    assert (made.name, made.mbuser, made.created_from) == ("External User", None, None)
    assert web.submit(user=made.apikey, fingerprint=WORD, duration=3, track="x").json["task"]


def test_an_account_in_xml(web) -> None:
    text = call(web, "create_account", format="xml").text
    start, key = text[: text.index("<id>")], text.partition("<api_key>")[2].partition("<")[0]
    assert start == f"{XML}<response><api_key>{key}</api_key>"
    assert text.endswith("</id><status>ok</status></response>")


def test_a_new_application_can_look_up_at_once(web) -> None:
    owner = make_account(web)
    result = call(web, "create_application", account_id=owner, name=" Glåss\0", version="1.0")
    assert result.status_code == 200
    made = row(web, application, result.json["id"])
    assert result.text == f'{{"api_key": "{made.apikey}", "id": {made.id}, "status": "ok"}}'
    assert (made.account_id, made.name, made.version) == (owner, " Glåss ", "1.0")
    assert (made.active, made.rate_limit) == (True, None)
    assert web.lookup(client=made.apikey, trackid=GID).status_code == 200


def test_the_version_of_an_application_is_optional(web) -> None:
    number, _ = make_application(web, make_account(web))
    assert row(web, application, number).version == ""


@pytest.mark.parametrize(
    ("form", "code", "text"),
    [
        ({}, 2, 'missing required parameter "account_id": a whole number'),
        ({"account_id": "x", "name": "x"}, 2, 'missing required parameter "account_id"'),
        ({"account_id": "1"}, 2, 'missing required parameter "name"'),
        ({"account_id": "1", "name": ""}, 2, 'missing required parameter "name"'),
        (
            {"account_id": "2147483647", "name": "x"},
            103,
            'parameter "account_id" is not valid: there is no account with this id',
        ),
        ({"account_id": "0", "name": "x"}, 103, 'parameter "account_id" is not valid'),
        ({"account_id": "-1", "name": "x"}, 103, 'parameter "account_id" is not valid'),
        ({"account_id": "9" * 30, "name": "x"}, 103, 'parameter "account_id" is not valid'),
    ],
)
def test_an_application_needs_an_account_and_a_name(web, form, code, text) -> None:
    result = call(web, "create_application", **form)
    assert (result.status_code, code_of(result)) == (400, code)
    assert error_of(result)["message"].startswith(text)


def set_active(web, account_id: int, number: int, active: str):
    form = {"account_id": account_id, "application_id": number, "active": active}
    return call(web, "update_application_status", **form)


@pytest.mark.parametrize("word", ["0", "", "false", "False", "FALSE ", "no", "off"])
def test_an_application_is_disabled_and_enabled(web, word) -> None:
    owner = make_account(web)
    number, key = make_application(web, owner)
    result = set_active(web, owner, number, word)
    assert result.text == f'{{"active": false, "id": {number}, "status": "ok"}}'
    assert row(web, application, number).active is False
    assert code_of(web.lookup(client=key, trackid=GID)) == 4
    result = set_active(web, owner, number, "1")
    assert result.text == f'{{"active": true, "id": {number}, "status": "ok"}}'
    assert web.lookup(client=key, trackid=GID).status_code == 200


def test_a_rotated_key_is_disabled_and_enabled_too(web) -> None:
    owner = make_account(web)
    number, old = make_application(web, owner)
    with web.front_end.databases.engine("app").begin() as connection:
        rotate_key(connection, APPLICATIONS, number, timedelta(hours=1))
    assert web.lookup(client=old, trackid=GID).status_code == 200
    set_active(web, owner, number, "0")
    assert code_of(web.lookup(client=old, trackid=GID)) == 4
    set_active(web, owner, number, "1")
    assert web.lookup(client=old, trackid=GID).status_code == 200


@pytest.mark.parametrize("word", ["1", "true", "yes", "2", "enabled"])
def test_all_other_words_enable(web, word) -> None:
    owner = make_account(web)
    number, _ = make_application(web, owner)
    set_active(web, owner, number, "0")
    assert set_active(web, owner, number, word).json["active"] is True
    assert row(web, application, number).active is True


def test_a_status_in_xml(web) -> None:
    owner = make_account(web)
    number, _ = make_application(web, owner)
    form = {"account_id": owner, "application_id": number, "active": 0, "format": "xml"}
    assert call(web, "update_application_status", **form).text == (
        f"{XML}<response><active>False</active><id>{number}</id><status>ok</status></response>"
    )


def test_an_application_of_another_account_is_unknown(web) -> None:
    number, _ = make_application(web, make_account(web))
    for owner, asked in ((make_account(web), number), (0, number), (1, 2147483648), (1, -1)):
        result = set_active(web, owner, asked, "0")
        assert result.status_code == 400
        assert error_of(result) == {"code": 17, "message": "unknown application"}
    assert row(web, application, number).active is True


@pytest.mark.parametrize("left_out", ["account_id", "application_id", "active"])
def test_a_status_needs_all_parameters(web, left_out) -> None:
    form = {"account_id": 1, "application_id": 1, "active": 0}
    del form[left_out]
    result = call(web, "update_application_status", **form)
    assert code_of(result) == 2
    assert error_of(result)["message"].startswith(f'missing required parameter "{left_out}"')


def test_an_unused_key_is_checked(web) -> None:
    with web.front_end.databases.engine("app").begin() as connection:
        made = accounts.create_application(connection, "new")
    result = call(web, "check_application", api_key=made.key)
    assert result.text == f'{{"id": {made.id}, "status": "ok"}}'


def test_a_key_of_no_application_is_refused(web) -> None:
    owner = make_account(web)
    number, key = make_application(web, owner)
    assert call(web, "check_application", api_key=key).json["id"] == number
    set_active(web, owner, number, "0")
    for bad in (key, "nobodys", web.user, "a\0b", "x" * 5000):
        result = call(web, "check_application", api_key=bad)
        assert (result.status_code, code_of(result)) == (401, 4)
        assert error_of(result)["message"].startswith("invalid API key")
    result = call(web, "check_application")
    assert (result.status_code, code_of(result)) == (400, 2)
    assert error_of(result)["message"].startswith('missing required parameter "api_key"')


def test_the_demo_key_is_active_only_if_switched_on(make_web) -> None:
    on = make_web(cluster=cluster(), features={"demo_key": True})
    off = make_web(cluster=cluster(), features={"demo_key": False})
    assert call(on, "check_application", api_key="8XaBELgH").status_code == 200
    assert code_of(call(off, "check_application", api_key="8XaBELgH")) == 4
