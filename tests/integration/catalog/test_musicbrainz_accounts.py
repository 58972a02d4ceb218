"""A MusicBrainz user has one account, in any spelling and with concurrent calls."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from pipeline.catalog.app.accounts import Account, ensure_musicbrainz_account, find_account
from pipeline.catalog.app.tables import account
from pipeline.runtime.databases import Databases
from tests.support.polling import eventually

CALLS = 4  # concurrent, within the five connections of a test's pool


def ensure(databases: Databases, mbuser: str) -> tuple[Account, str]:
    with databases.engine("app").begin() as connection:
        return ensure_musicbrainz_account(connection, mbuser)


def rows(databases: Databases) -> list[tuple[str, str]]:
    with databases.engine("app").connect() as connection:
        return [(row.name, row.mbuser) for row in connection.execute(sa.select(account))]


def test_the_first_call_creates_the_account_and_the_next_finds_it(databases: Databases) -> None:
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


def test_an_account_without_a_musicbrainz_name_is_not_returned(databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        connection.execute(sa.insert(account).values(name="Mayhem", apikey="k"))
    assert ensure(databases, "Mayhem")[1] != "k"


@pytest.mark.parametrize("names", [["Mayhem"] * CALLS, ["Mayhem", "MAYHEM", "mayhem", "mayHEM"]])
def test_concurrent_calls_return_the_same_account(databases: Databases, names: list[str]) -> None:
    together = Barrier(CALLS)

    def ensure_together(mbuser: str) -> tuple[Account, str]:
        with databases.engine("app").begin() as connection:
            connection.execute(sa.text("SELECT 1"))
            together.wait(30)
            return ensure_musicbrainz_account(connection, mbuser)

    with ThreadPoolExecutor(CALLS) as pool:
        found = set(pool.map(ensure_together, names))
    assert len(found) == 1
    assert len(rows(databases)) == 1


def test_a_call_waits_for_a_concurrent_creation(databases: Databases) -> None:
    with ThreadPoolExecutor(1) as pool:
        with databases.engine("app").begin() as connection:
            made = ensure_musicbrainz_account(connection, "Mayhem")
            later = pool.submit(ensure, databases, "MAYHEM")
            eventually(lambda: connections_waiting_for_a_lock(databases))
        assert later.result(30) == made


def connections_waiting_for_a_lock(databases: Databases) -> int:
    statement = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with databases.engine("fingerprint").connect() as connection:
        return int(connection.scalar(statement) or 0)
