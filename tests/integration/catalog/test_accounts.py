"""Applications and accounts, including the demo application."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from pipeline.catalog.app import accounts
from pipeline.catalog.app.keys.demo_application import DemoKeys, ensure_demo
from pipeline.catalog.app.keys.key_administration import APPLICATIONS, set_active
from pipeline.catalog.app.keys.key_text import generate_key
from pipeline.catalog.app.tables import account, application
from pipeline.runtime.databases import Databases


def count(databases: Databases, table: sa.Table) -> int:
    with databases.engine("app").connect() as connection:
        found: int = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        return found


def test_keys_are_ten_random_letters_and_digits() -> None:
    keys = {generate_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9]{10}", key) for key in keys)


def test_an_application_is_found_by_its_key(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        made = accounts.create_application(connection, "Picard", version="3", rate_limit=2.5)
        found = accounts.find_application(connection, made.key)
    assert found == accounts.Application(made.id, "Picard", 2.5)
    with databases.engine("app").connect() as connection:
        assert accounts.find_application(connection, made.key) == found
        assert accounts.find_application(connection, made.key.lower() + "x") is None


def test_an_application_belongs_to_an_account(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        first = accounts.create_application(connection, "one")
        owner = connection.scalar(sa.select(application.c.account_id))
        second = accounts.create_application(connection, "two", account_id=owner)
        assert connection.scalar(sa.select(account.c.name)) == "one"
    assert first.id != second.id
    assert count(databases, account) == 1


@pytest.mark.parametrize("rate", [-1, float("inf"), float("nan")])
def test_an_invalid_rate_limit_is_refused(databases: Databases, rate: float) -> None:
    with (
        databases.engine("app").begin() as connection,
        pytest.raises(ValueError, match="rate_limit"),
    ):
        accounts.create_application(connection, "x", rate_limit=rate)
    assert count(databases, application) == 0


def test_a_disabled_application_is_not_found(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        made = accounts.create_application(connection, "x", rate_limit=0)
        expected = accounts.Application(made.id, "x", 0)
        assert set_active(connection, APPLICATIONS, made.id, active=False) == "x"
        assert accounts.find_application(connection, made.key) is None
        assert set_active(connection, APPLICATIONS, made.id, active=True) == "x"
        assert accounts.find_application(connection, made.key) == expected
        assert set_active(connection, APPLICATIONS, made.id + 1, active=True) is None


def test_an_account_is_found_by_its_key(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        made = accounts.create_account(connection, "Ada", created_from="2001:db8::1")
        assert accounts.find_account(connection, made.key) == accounts.Account(made.id, "Ada")
        assert accounts.find_application(connection, made.key) is None
        assert str(connection.scalar(sa.select(account.c.created_from))) == "2001:db8::1"


def test_the_text_of_a_new_key_does_not_have_the_key() -> None:
    made = accounts.NewKey(1, "x", "SECRETKEY1")
    assert "SECRETKEY1" not in repr(made)
    assert "SECRETKEY1" not in repr(DemoKeys("8XaBELgH", "SECRETKEY1"))


def test_the_demo_keys_are_created_once(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        first = ensure_demo(connection)
    with databases.engine("app").begin() as connection:
        assert ensure_demo(connection) == first
        demo = accounts.find_application(connection, "8XaBELgH")
        user = accounts.find_account(connection, first.user_key)
    assert demo is not None
    assert (demo.name, demo.rate_limit) == ("Demo", None)
    assert user is not None
    assert user.name == "Demo"
    assert first.application_key == "8XaBELgH"
    assert first.user_key != "8XaBELgH"


def test_a_disabled_demo_application_stays_disabled(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        ensure_demo(connection)
        connection.execute(sa.update(application).values(active=False))
        ensure_demo(connection)
        assert accounts.find_application(connection, "8XaBELgH") is None


def test_concurrent_calls_create_the_demo_keys_once(databases: Databases) -> None:
    def make(_: int) -> DemoKeys:
        with databases.engine("app").begin() as connection:
            return ensure_demo(connection)

    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(make, range(4)))
    assert len(made) == 1
    assert count(databases, application) == count(databases, account) == 1


def test_no_user_has_the_account_of_the_service(databases: Databases) -> None:
    """A user of that name, at MusicBrainz or of an application, has another account."""
    with databases.engine("app").begin() as connection:
        maker = accounts.create_application(connection, "maker").id
        user, _ = accounts.ensure_musicbrainz_account(connection, accounts.BOT_NAME)
        values = {"name": accounts.BOT_NAME, "apikey": "made", "application_id": maker}
        connection.execute(sa.insert(account).values(values))
    assert count(databases, account) == 3
    with databases.engine("app").begin() as connection:
        bot = accounts.ensure_bot_account(connection)
        assert accounts.ensure_bot_account(connection) == bot != user.id
        assert accounts.account_names(connection, [bot]) == {bot: "acoustid_bot"}
    assert count(databases, account) == 4


def test_the_account_of_the_service_of_an_earlier_version_is_kept(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        values = {"name": accounts.BOT_NAME, "apikey": "made"}
        made = connection.execute(sa.insert(account).values(values).returning(account.c.id))
        assert accounts.ensure_bot_account(connection) == made.scalar_one()
