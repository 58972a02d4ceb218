"""Loads a benchmark's catalogue into a running stack, and builds its index and store.

A million submissions would take hours. So the rows that an import writes are copied into the
tables: tracks, fingerprints and links to MBIDs. A trigger writes the changelog.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import sqlalchemy as sa

from bench.catalogue.content import BenchCatalogue
from cli.sample.musicbrainz_dump import write_dump
from pipeline.catalog.binary_copy import Column, copy_rows, encode_rows, integers, octets
from pipeline.catalog.fingerprint.tables import fingerprint, track, track_mbid
from pipeline.catalog.musicbrainz.dump.files.open_dump import open_dump
from pipeline.catalog.musicbrainz.dump.load import load_dump
from pipeline.fingerprint.codec import ALGORITHM_TEST2
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.fingerprint.simhash import simhash_batch
from pipeline.fingerprint_store import StoreLocked, open_store_writer
from pipeline.following.open_index import IndexBusy, open_updater
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import rebuild_follower, rebuild_index
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

CHUNK: Final = 5_000  # fingerprints in one transaction
REPORT_EVERY: Final = 20 * CHUNK
LOCK_TIMEOUT: Final = 30.0  # seconds to wait for the locks of index and store

Progress = Callable[[str], None]
Opened = TypeVar("Opened")


def load(catalogue: BenchCatalogue, settings: Settings, progress: Progress) -> None:
    """Fill the empty databases of a stack, and build its index and its fingerprint store.

    The index stays locked, so the stack's worker cannot index the fingerprints one by one.
    """
    databases = Databases(settings, component="bench")
    try:
        index, path = settings.fingerprint_index, settings.fingerprint_store.path
        with _open_when_free(lambda: open_updater(index, databases), IndexBusy) as updater:
            progress(f"loading {catalogue.fingerprints} fingerprints")
            for first in range(0, catalogue.fingerprints, CHUNK):
                numbers = range(first, min(first + CHUNK, catalogue.fingerprints))
                _load_chunk(catalogue, numbers, databases)
                if numbers.stop % REPORT_EVERY == 0:
                    progress(f"loaded {numbers.stop} of {catalogue.fingerprints} fingerprints")
            _finish(databases)
            progress("loading MusicBrainz")
            load_musicbrainz(catalogue, databases)
            progress("building the index")
            rebuild_index(updater, databases, lambda _: None)
            progress("building the fingerprint store")
            with _open_when_free(lambda: open_store_writer(path), StoreLocked) as store:
                rebuild_follower(StoreCopy(store), databases, lambda _: None)
    finally:
        databases.dispose()


def _open_when_free(open_it: Callable[[], Opened], busy: type[Exception]) -> Opened:
    """Open the index or the store as soon as the stack's worker has unlocked it."""
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            return open_it()
        except busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _load_chunk(catalogue: BenchCatalogue, numbers: range, databases: Databases) -> None:
    """Copy some fingerprints and the tracks that start with one of them."""
    tracks = [number for number in numbers if catalogue.track(number) == number]
    linked = [(number, mbid) for number in tracks if (mbid := catalogue.mbid(number))]
    with databases.engine("fingerprint").begin() as connection:
        track_columns = {
            "id": integers(_ids(tracks), 32),
            "gid": octets([catalogue.track_gid(each).bytes for each in tracks]),
        }
        _copy(connection, track, track_columns)
        _copy_fingerprints(connection, catalogue, numbers)
        mbid_columns = {
            "track_id": integers(_ids([number for number, _ in linked]), 32),
            "mbid": octets([mbid.bytes for _, mbid in linked]),
            "submission_count": integers([1] * len(linked), 32),
        }
        _copy(connection, track_mbid, mbid_columns)


def _copy_fingerprints(
    connection: sa.Connection, catalogue: BenchCatalogue, numbers: range
) -> None:
    words = [catalogue.words(number).astype("<u4", copy=False) for number in numbers]
    columns = {
        "id": integers(_ids(numbers), 32),
        "words": octets([each.tobytes() for each in words]),
        "gid": octets([fingerprint_gid(ALGORITHM_TEST2, each).bytes for each in words]),
        "simhash": integers(simhash_batch(words).view(np.int32).tolist(), 32),
        "length": integers([catalogue.length(number) for number in numbers], 16),
        "track_id": integers(_ids([catalogue.track(number) for number in numbers]), 32),
        "submission_count": integers([1] * len(words), 32),
    }
    _copy(connection, fingerprint, columns)


def _ids(numbers: range | list[int]) -> list[int]:
    """Return the ids of rows by their numbers. Ids start at 1."""
    return [number + 1 for number in numbers]


def _finish(databases: Databases) -> None:
    """Advance the id sequences, set the visibility map and update the statistics."""
    engine = databases.engine("fingerprint")
    with engine.begin() as connection:
        for table in (track, fingerprint):
            newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(table.name, "id")
            connection.execute(sa.select(sa.func.setval(sequence, newest)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE)")


def load_musicbrainz(catalogue: BenchCatalogue, databases: Databases) -> None:
    """Load the recordings of the catalogue into the empty MusicBrainz database."""
    with tempfile.TemporaryDirectory() as folder:
        write_dump(catalogue.described(), Path(folder))
        load_dump(databases.engine("musicbrainz"), open_dump(Path(folder)), lambda *_: None)


def _copy(connection: sa.Connection, table: sa.Table, columns: Mapping[str, Column]) -> None:
    """Add rows to a table. Other columns get their defaults."""
    copy_rows(connection, table.fullname, columns, encode_rows(list(columns.values())))
