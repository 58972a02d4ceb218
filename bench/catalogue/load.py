"""Puts a benchmark's catalogue into the databases of a running stack, and builds index and store.

Submitting a million recordings would take hours, so the rows are copied into the tables as an
import leaves them: tracks, fingerprints, links to MBIDs; the changelog is written by its trigger.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import sqlalchemy as sa

from bench.catalogue.binary_copy import copy, integers, octets
from bench.catalogue.catalogue import Catalogue
from cli.sample.build import copy_text
from cli.sample.rows import sample_rows
from pipeline.catalog.fingerprint.tables import fingerprint, track, track_mbid
from pipeline.catalog.musicbrainz.load import load_dump, open_dump
from pipeline.catalog.musicbrainz.tables import METADATA
from pipeline.fingerprint.codec import ALGORITHM_TEST2
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.fingerprint.simhash import simhash_batch
from pipeline.fingerprint_store import StoreLocked, open_store_writer
from pipeline.following.open_index import IndexBusy, open_updater
from pipeline.following.update_index import BATCH, rebuild_index
from pipeline.following.update_store import rebuild_store
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

CHUNK: Final = 5_000  # fingerprints of one transaction
REPORT_EVERY: Final = 20 * CHUNK
PATIENCE: Final = 30.0  # seconds that the index worker may hold the index, or the store

Progress = Callable[[str], None]
Opened = TypeVar("Opened")


def load(catalogue: Catalogue, settings: Settings, progress: Progress) -> None:
    """Fill the empty databases of a stack, and build its index and its fingerprint store.

    The index's lock is held all the time, so that the stack's own worker doesn't index the
    fingerprints one by one meanwhile.
    """
    databases = Databases(settings, component="bench")
    try:
        index, path = settings.fingerprint_index, settings.fingerprint_store.path
        with _free(lambda: open_updater(index, databases), IndexBusy) as updater:
            progress(f"loading {catalogue.fingerprints} fingerprints")
            for first in range(0, catalogue.fingerprints, CHUNK):
                numbers = range(first, min(first + CHUNK, catalogue.fingerprints))
                _load_chunk(catalogue, numbers, databases)
                if numbers.stop % REPORT_EVERY == 0:
                    progress(f"loaded {numbers.stop} of {catalogue.fingerprints} fingerprints")
            _finish(databases)
            progress("loading what MusicBrainz knows of them")
            _load_musicbrainz(catalogue, databases)
            progress("building the index")
            rebuild_index(updater, databases, lambda _: None)
            progress("building the fingerprint store")
            with _free(lambda: open_store_writer(path), StoreLocked) as store:
                rebuild_store(store, databases, BATCH, lambda _: None)
    finally:
        databases.dispose()


def _free(open_it: Callable[[], Opened], busy: type[Exception]) -> Opened:
    """Open what the stack's own worker writes, once that has let go of it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return open_it()
        except busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _load_chunk(catalogue: Catalogue, numbers: range, databases: Databases) -> None:
    """Copy some fingerprints, with the tracks that they are the first ones of."""
    tracks = [number for number in numbers if catalogue.track(number) == number]
    linked = [(number, mbid) for number in tracks if (mbid := catalogue.mbid(number))]
    with databases.engine("fingerprint").begin() as connection:
        track_columns = {
            "id": integers(_ids(tracks), 32),
            "gid": octets([catalogue.track_gid(each).bytes for each in tracks]),
        }
        copy(connection, track, track_columns)
        _copy_fingerprints(connection, catalogue, numbers)
        mbid_columns = {
            "track_id": integers(_ids([number for number, _ in linked]), 32),
            "mbid": octets([mbid.bytes for _, mbid in linked]),
            "submission_count": integers(np.ones(len(linked)), 32),
        }
        copy(connection, track_mbid, mbid_columns)


def _copy_fingerprints(connection: sa.Connection, catalogue: Catalogue, numbers: range) -> None:
    words = [catalogue.words(number).astype("<u4", copy=False) for number in numbers]
    columns = {
        "id": integers(_ids(numbers), 32),
        "words": octets([each.tobytes() for each in words]),
        "gid": octets([fingerprint_gid(ALGORITHM_TEST2, each).bytes for each in words]),
        "simhash": integers(simhash_batch(words).view(np.int32), 32),
        "length": integers([catalogue.length(number) for number in numbers], 16),
        "track_id": integers(_ids([catalogue.track(number) for number in numbers]), 32),
        "submission_count": integers(np.ones(len(words)), 32),
    }
    copy(connection, fingerprint, columns)


def _ids(numbers: range | list[int]) -> list[int]:
    """Return the ids of the rows with these numbers; ids start at 1."""
    return [number + 1 for number in numbers]


def _finish(databases: Databases) -> None:
    """Leave the tables as a service that has run for a while: ids drawn, rows seen, statistics."""
    engine = databases.engine("fingerprint")
    with engine.begin() as connection:
        for table in (track, fingerprint):
            newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sa.select(sa.func.setval(sequence, newest)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")


def _load_musicbrainz(catalogue: Catalogue, databases: Databases) -> None:
    rows = sample_rows(catalogue.described())
    with tempfile.TemporaryDirectory() as folder:
        for table in METADATA.tables.values():
            lines = ("\t".join(map(copy_text, row)) + "\n" for row in rows.get(table.name, ()))
            (Path(folder) / table.name).write_text("".join(lines), encoding="utf-8")
        load_dump(databases.engine("musicbrainz"), open_dump(Path(folder)), lambda *_: None)
