"""A request has one deadline, which limits all waits together."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import sqlalchemy as sa
import sqlalchemy.exc

from api.submissions import endpoint
from pipeline.runtime.databases import DatabaseName, Databases
from tests.support.clients.web_client import GID, WORD, Web, code_of, error_of

MINIMAL = {"fingerprint": WORD, "duration": 3, "track": "x"}

MakeWeb = Callable[..., Web]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


@contextmanager
def other_client(web: Web, name: DatabaseName) -> Iterator[sa.Connection]:
    """Open a transaction of another process, which the time limits of the front end do not end."""
    databases = Databases(web.settings, component="tests")
    with databases.engine(name).begin() as connection:
        yield connection
    databases.dispose()


@contextmanager
def locked(web: Web) -> Iterator[None]:
    """Lock the table of receipts inside the block."""
    with other_client(web, "ingest") as connection:
        connection.execute(sa.text("LOCK TABLE submission IN SHARE ROW EXCLUSIVE MODE"))
        yield


def keys_take(web: Web, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    found = web.front_end.access.keys.applications.find(web.application)

    def find(*_: object) -> object:
        time.sleep(seconds)
        return found

    monkeypatch.setattr(web.front_end.access.keys.applications, "find", find)


def test_the_time_for_finding_the_key_is_subtracted_for_the_workers(
    make_web: MakeWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = make_web(api={"lookup_timeout": 2.5})
    web.worker.held = True
    keys_take(web, 2.0, monkeypatch)
    with at_most(4.0):
        result = web.lookup(trackid=GID)
    assert (result.status_code, code_of(result)) == (503, 13)


def test_the_time_for_finding_the_key_is_subtracted_for_the_receipt(
    make_web: MakeWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = make_web(api={"submit_timeout": 2.5})
    keys_take(web, 2.0, monkeypatch)
    with locked(web), at_most(4.0):
        result = web.submit(**MINIMAL)
    assert (result.status_code, code_of(result)) == (503, 13)
    assert result.headers["Retry-After"] == "1"
    assert web.receipts() == []
    assert web.submitted == []


@pytest.mark.parametrize("path", ["/v2/lookup", "/v2/submit", "/v2/submission_status"])
def test_the_query_of_a_key_ends_at_the_deadline(make_web: MakeWeb, path: str) -> None:
    web = make_web(api={"lookup_timeout": 1.0, "submit_timeout": 1.0})
    with other_client(web, "app") as connection:
        connection.execute(sa.text("LOCK TABLE application IN ACCESS EXCLUSIVE MODE"))
        with at_most(5.0):
            result = web.post(path, **MINIMAL, client="a key that no cache knows", user=web.user)
    assert (result.status_code, code_of(result)) == (503, 13)


def test_without_a_free_connection_a_submission_is_withdrawn(make_web: MakeWeb) -> None:
    web = make_web(api={"submit_timeout": 0.5})
    engine = web.front_end.databases.engine("ingest")
    with ExitStack() as held:
        for _ in range(web.settings.database_ingest.pool_size):
            held.enter_context(engine.connect())
        with at_most(web.settings.database_ingest.pool_timeout - 0.1):
            result = web.submit(**MINIMAL)
    assert error_of(result)["message"] == "service currently unavailable, try again later"
    assert web.submit(**MINIMAL).status_code == 200
    assert len(web.receipts()) == 1


def test_a_submission_after_its_deadline_is_not_stored(make_web: MakeWeb) -> None:
    web = make_web(api={"submit_timeout": 1.0})
    with locked(web):
        result = web.submit(**MINIMAL)
    assert error_of(result)["message"] == "service currently unavailable, try again later"
    assert web.submit(**MINIMAL).status_code == 200
    assert len(web.receipts()) == 1


def test_a_submission_to_a_read_only_database_is_refused_for_now(web: Web) -> None:
    """After a failover the configured server can be a standby; the client tries again."""
    with web.front_end.databases.engine("ingest").connect() as connection:
        connection.execute(sa.text("SET default_transaction_read_only = on"))
        connection.commit()  # the pool has this connection only
    result = web.submit(**MINIMAL)
    assert (result.status_code, code_of(result)) == (503, 13)
    with web.front_end.databases.engine("ingest").connect() as connection:
        connection.execute(sa.text("SET default_transaction_read_only = off"))
        connection.commit()
    assert web.submit(**MINIMAL).status_code == 200


def test_waiting_for_final_states_ends_at_the_deadline(make_web: MakeWeb) -> None:
    web = make_web(api={"submit_timeout": 1.0})
    with at_most(5.0):
        result = web.submit(**MINIMAL, wait=10)
    assert [each["status"] for each in result.json["submissions"]] == ["pending"]


@pytest.mark.parametrize(
    "error",
    [
        sqlalchemy.exc.TimeoutError("no connection"),
        sqlalchemy.exc.OperationalError("", {}, OSError()),
    ],
)
def test_unknown_states_are_pending(
    web: Web, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def statuses(*_: object) -> None:
        raise error

    monkeypatch.setattr(endpoint, "statuses", statuses)
    result = web.submit(**MINIMAL, wait=10)
    assert result.status_code == 200
    assert [each["status"] for each in result.json["submissions"]] == ["pending"]
    assert len(web.handed_on()) == 1
