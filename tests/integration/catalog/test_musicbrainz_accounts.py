"""A MusicBrainz user has one account, whoever asks for it and however the name is written."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from pipeline.catalog.app.accounts import Account, find_account
from pipeline.catalog.app.musicbrainz_accounts import ensure_account
from pipeline.catalog.app.tables import account
from pipeline.runtime.databases import Databases
from tests.support.polling import eventually

ASKING = 4  # at once, within the five connections of a test's pool


def ensure(databases: Databases, mbuser: str) -> tuple[Account, str]:
    with databases.engine("app").begin() as connection:
        return ensure_account(connection, mbuser)


def rows(databases: Databases) -> list[tuple[str, str]]:
    with databases.engine("app").connect() as connection:
        return [(row.name, row.mbuser) for row in connection.execute(sa.select(account))]


def test_the_first_call_makes_the_account_and_the_next_finds_it(databases: Databases) -> None:
    made, key = ensure(databases, "Ångström_1")
    assert ensure(databases, "Ångström_1") == (made, key)
    assert rows(databases) == [("Ångström_1", "Ångström_1")]
    with databases.engine("app").connect() as connection:
        assert find_account(connection, key) == made


@pytest.mark.parametrize("written", ["MAYHEM", "mayhem", "mAyHeM"])
def test_case_does_not_matter(databases: Databases, written: str) -> None:
    made = ensure(databases, "Mayhem")
    assert ensure(databases, written) == made
    assert rows(databases) == [("Mayhem", "Mayhem")]


def test_other_names_are_other_users(databases: Databases) -> None:
    names = ["a_c", "abc", "a%c", "a c", "a c "]
    keys = {ensure(databases, name)[1] for name in names}
    assert len(keys) == len(names)


def test_an_account_without_a_name_at_musicbrainz_is_nobodys(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        connection.execute(sa.insert(account).values(name="Mayhem", apikey="k"))
    assert ensure(databases, "Mayhem")[1] != "k"


@pytest.mark.parametrize("names", [["Mayhem"] * ASKING, ["Mayhem", "MAYHEM", "mayhem", "mayHEM"]])
def test_who_asks_at_once_gets_the_same_account(databases: Databases, names: list[str]) -> None:
    together = Barrier(ASKING)

    def ask(mbuser: str) -> tuple[Account, str]:
        with databases.engine("app").begin() as connection:
            connection.execute(sa.text("SELECT 1"))
            together.wait(30)
            return ensure_account(connection, mbuser)

    with ThreadPoolExecutor(ASKING) as pool:
        found = set(pool.map(ask, names))
    assert len(found) == 1
    assert len(rows(databases)) == 1


def test_who_comes_while_the_account_is_being_made_waits_for_it(databases: Databases) -> None:
    with ThreadPoolExecutor(1) as pool:
        with databases.engine("app").begin() as connection:
            made = ensure_account(connection, "Mayhem")
            later = pool.submit(ensure, databases, "MAYHEM")
            with databases.engine("fingerprint").connect() as other:
                waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                eventually(lambda: other.scalar(waiting))
        assert later.result(30) == made
