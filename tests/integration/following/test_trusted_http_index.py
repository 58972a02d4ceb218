"""An index on a server is searched while it is complete and belongs to the database."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bench.index.server import IndexServer
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.fingerprint.query import extract_query
from pipeline.following import copies
from pipeline.following.open_index import open_index, open_updater
from pipeline.following.update_index import rebuild_index, update_index
from pipeline.index import Insert, SearchTimeout
from pipeline.index_http import IndexUnavailable
from pipeline.index_http.reader import STATE_MAX_AGE
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import FingerprintIndexSettings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import (
    ALL,
    SEEDS,
    move_in_time,
    old_catalogue,
    searched,
)
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually


def catch_up(place: FingerprintIndexSettings, databases: Databases) -> int:
    with open_updater(place, databases) as updater:
        return update_index(updater, databases)


@pytest.fixture
def established(databases: Databases, index_path: Path) -> Importer:
    """A catalogue whose changelog is an hour old."""
    return old_catalogue(databases, index_path)


@pytest.fixture
def trusted(place: FingerprintIndexSettings, databases: Databases) -> Iterator[TrustedIndex]:
    with open_index(place) as reader:
        yield TrustedIndex(lambda: reader, databases)


def delete(place: FingerprintIndexSettings) -> None:
    assert requests.delete(f"http://{place.host}:{place.port}/{place.name}", timeout=10).ok


def test_a_deleted_index_is_refused_until_it_is_filled_again(
    established: Importer,
    place: FingerprintIndexSettings,
    trusted: TrustedIndex,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert searched(trusted) is Condition.MISSING
    catch_up(place, established.databases)
    assert eventually(lambda: searched(trusted) == ALL, STATE_MAX_AGE + 2)
    delete(place)
    assert searched(trusted) is trusted.condition() is Condition.MISSING
    monkeypatch.setattr(copies, "BATCH", 3)
    with open_updater(place, established.databases) as updater:
        assert trusted.condition() is searched(trusted) is Condition.FILLING
        for position in (3, 6):
            assert update_index(updater, established.databases, until=0.0) == position
            assert trusted.condition() is searched(trusted) is Condition.FILLING
        update_index(updater, established.databases, until=0.0)
    assert trusted.condition() is Condition.OK
    assert searched(trusted) == ALL


def test_a_search_without_enough_time_leaves_the_index_usable(
    established: Importer, place: FingerprintIndexSettings, trusted: TrustedIndex
) -> None:
    """An expensive lookup must not make the worker refuse all others."""
    catch_up(place, established.databases)
    assert searched(trusted) == ALL
    for timeout in (1e-6, 1e-3):
        with pytest.raises(SearchTimeout):
            trusted.search([extract_query(fingerprint(1))] * 100, timeout=timeout)
        assert trusted.last_condition() is Condition.OK
        assert trusted.needs_check()
        assert searched(trusted) == ALL
    assert trusted.condition() is Condition.OK


def test_an_index_that_is_created_after_the_delay_is_refused(
    established: Importer, place: FingerprintIndexSettings, trusted: TrustedIndex
) -> None:
    """No search and no check detects the deletion before the index is created again."""
    catch_up(place, established.databases)
    assert searched(trusted) == ALL
    delete(place)
    time.sleep(STATE_MAX_AGE)
    with open_updater(place, established.databases):
        assert searched(trusted) is Condition.FILLING


def test_a_rebuild_on_a_server_is_searched_only_if_the_old_content_is_right(
    established: Importer, place: FingerprintIndexSettings, trusted: TrustedIndex
) -> None:
    catch_up(place, established.databases)
    seen: list[list[list[int]] | Condition] = []

    def rebuild() -> None:
        with open_updater(place, established.databases) as updater:
            rebuild_index(updater, established.databases, look)

    def look(_count: int) -> None:
        trusted.condition()
        seen.append(searched(trusted))

    rebuild()
    assert seen.pop() == ALL
    move_in_time(established.databases, "1 microsecond")
    assert trusted.condition() is Condition.FOREIGN
    with pytest.raises(ForeignIndexError, match="index rebuild"):
        catch_up(place, established.databases)
    rebuild()
    assert seen.pop() is Condition.FILLING
    assert trusted.condition() is Condition.OK
    assert searched(trusted) == ALL


def test_an_index_without_a_stamp_is_accepted_by_its_content(
    established: Importer, place: FingerprintIndexSettings, trusted: TrustedIndex
) -> None:
    def write(first_seed: int) -> None:
        with open_updater(place, established.databases) as updater:
            changes = [
                Insert(document, extract_query(fingerprint(first_seed + document)))
                for document in SEEDS
            ]
            updater.apply(changes, len(changes))

    write(100)
    assert searched(trusted) is trusted.condition() is Condition.FOREIGN
    with pytest.raises(ForeignIndexError):
        catch_up(place, established.databases)
    delete(place)
    write(0)
    with open_index(place) as reader:
        assert searched(TrustedIndex(lambda: reader, established.databases)) == ALL
    catch_up(place, established.databases)
    assert eventually(lambda: searched(trusted) == ALL, STATE_MAX_AGE + 2)


def test_only_the_first_search_without_an_answer_may_be_retried(
    established: Importer,
    place: FingerprintIndexSettings,
    trusted: TrustedIndex,
    server: IndexServer,
) -> None:
    """Otherwise each lookup would log its retries and its failure during an outage."""
    catch_up(place, established.databases)
    assert searched(trusted) == ALL
    server.kill()
    try:
        with pytest.raises(IndexUnavailable):
            searched(trusted)
        assert trusted.last_condition() is Condition.UNREACHABLE
        assert searched(trusted) is trusted.condition() is Condition.UNREACHABLE
    finally:
        server.start()
    assert searched(trusted) == ALL
    assert trusted.last_condition() is Condition.OK
