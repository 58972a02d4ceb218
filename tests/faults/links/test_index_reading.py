"""A dead connection stops the update of the index for a short time only."""

import time
from collections.abc import Iterator

import pytest

from pipeline.catalog.fingerprint import changelog
from pipeline.fingerprint_store import open_store_writer
from pipeline.following import reading_connection
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import update_index
from pipeline.index import open_writer
from pipeline.runtime.databases import DATABASE_UNREACHABLE, Databases
from pipeline.runtime.links.connection_limits import POSTGRES_WORKER
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.links.proxy import LinkProxy

LIMIT = 0.5
SLACK = 5.0
"""Seconds of a loaded machine. Without `LIMIT` a reply has 25 s, and a statement 20 s."""


@pytest.fixture
def link(settings: Settings) -> Iterator[LinkProxy]:
    """Return a link to PostgreSQL."""
    with LinkProxy(settings.database.host, settings.database.port) as proxy:
        yield proxy


@pytest.fixture
def behind(settings: Settings, link: LinkProxy) -> Iterator[Databases]:
    """Return the databases of a worker, reached by the link."""
    reached = {"host": link.host, "port": link.port, "sslmode": "disable"}
    database = settings.database_fingerprint.model_copy(update=reached)
    databases = Databases(
        settings.model_copy(
            update={"database_fingerprint": database, "database_fingerprint_ro": database}
        ),
        limits=POSTGRES_WORKER,
    )
    yield databases
    databases.dispose()


@pytest.mark.parametrize("store", [False, True])
def test_a_connection_that_dies_while_it_is_read_ends_in_time(
    databases: Databases,
    behind: Databases,
    link: LinkProxy,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    store: bool,
) -> None:
    """The next update reaches the end of the changelog."""
    monkeypatch.setattr(reading_connection, "READING_LIMIT", LIMIT)
    read = changelog.read

    def die_and_read(*arguments: object, **limits: object) -> object:
        link.half_open()
        return read(*arguments, **limits)  # type: ignore[arg-type]

    importer = Importer(databases, settings.fingerprint_index.path)
    importer.run(importer.receipt(fingerprint(1)), index=False)
    place = settings.fingerprint_store.path
    with open_writer(importer.index_path) as writer, open_store_writer(place) as beside:
        given = [StoreCopy(beside)] if store else []
        monkeypatch.setattr(changelog, "read", die_and_read)
        begun = time.monotonic()
        with pytest.raises(DATABASE_UNREACHABLE):
            update_index(writer, behind, followers=given)
        assert time.monotonic() - begun < LIMIT + SLACK
        monkeypatch.setattr(changelog, "read", read)
        link.restore()
        assert update_index(writer, behind, followers=given) == 1
        assert beside.position() == int(store)
