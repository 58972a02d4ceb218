"""Trusted indexes, their conditions, and changelogs of other times."""

from collections.abc import Callable, Iterable
from pathlib import Path

import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.fingerprint.query import extract_query
from pipeline.index import open_reader
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_index import IndexUnusable, TrustedIndex
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

SEEDS = range(1, 8)
ALL = [[number] for number in SEEDS]
NONE: list[list[int]] = [[]] * len(SEEDS)
CHANGELOG = tables.fpindex_changelog


def trusted(databases: Databases, path: Path, clock: Callable[[], float]) -> TrustedIndex:
    with open_reader(path) as reader:
        return TrustedIndex(lambda: reader, databases, clock)


def old_catalogue(databases: Databases, index_path: Path, seeds: Iterable[int] = SEEDS) -> Importer:
    """Return a catalogue whose changelog is an hour old; the index does not exist yet."""
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in seeds), index=False)
    move_in_time(databases, "-1 hour")
    return importer


def move_in_time(databases: Databases, interval: str) -> None:
    """Change the times of all changelog entries, as if they were written at another time."""
    with databases.engine("fingerprint").begin() as connection:
        other = CHANGELOG.c.created + sa.text(f"interval '{interval}'")
        connection.execute(sa.update(CHANGELOG).values(created=other))


def found(index: TrustedIndex) -> list[list[int]] | Condition:
    """Return the result of `searched`, and check that the index reports the same condition."""
    result = searched(index)
    condition = result if isinstance(result, Condition) else Condition.OK
    assert index.condition() is condition
    return result


def searched(index: TrustedIndex) -> list[list[int]] | Condition:
    """Return the ids of the hits of each fingerprint, or the condition of an unusable index."""
    try:
        hits = index.search([extract_query(fingerprint(seed)) for seed in SEEDS])
    except IndexUnusable as error:
        return error.condition
    return [each.ids.tolist() for each in hits]


def restore_to(importer: Importer, position: int) -> None:
    """Bring the fingerprint database back to an earlier state."""
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint).where(tables.fingerprint.c.id > position))
        connection.execute(sa.delete(CHANGELOG).where(CHANGELOG.c.id > position))
