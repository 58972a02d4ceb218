"""A catalogue that is exported and imported elsewhere is equal, and so are its answers."""

import json
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from bench.bulk_import.table_digests import table_digests
from pipeline.bulk_import.files.input_files import find_files
from pipeline.bulk_import.files.run import Imported, import_files
from pipeline.bulk_import.rejects import Rejects
from pipeline.catalog import migrate
from pipeline.catalog.app.accounts import Account, Application, find_account, find_application
from pipeline.catalog.edits.edit_log import Author
from pipeline.catalog.edits.fingerprint_edits import remove_fingerprint
from pipeline.catalog.edits.link_edits import link_mbid, unlink_mbid
from pipeline.catalog.fingerprint.mbid_disable import disable_mbid
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids
from pipeline.catalog.fingerprint.tables import track
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.catalog.ingest.submission_status import statuses
from pipeline.data_files.private_tables import PRIVATE_TABLES
from pipeline.export.run import export
from pipeline.fingerprint.codec import compress
from pipeline.imports.all_stages import import_submissions
from pipeline.index import open_reader
from pipeline.lookups.describe import describe_lookups
from pipeline.lookups.score import score_lookups
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import Lookup, LookupBatch
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.mbids import MusicBrainz
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.processes.servers import Servers

RECORDINGS = 150
COPIED_EVERY = 5
METAS = [
    "recordings releases releasegroups tracks sources usermeta isrcs",
    "recordingids releaseids compress",
    "m2",
]


class Silent:
    """Shows no progress, neither of an export nor of an import."""

    def begin(self, *_: object) -> "Silent":
        return self

    def advance(self, *_: object) -> None: ...

    def __call__(self, _: int) -> None: ...


def mbid(number: int) -> UUID:
    return UUID(int=0x5D1F0C5E_1111_4AAA_8AAA_000000000000 + number)


def fill(databases: Databases, index: Path) -> None:
    """Import recordings with links of all kinds, then merge, disable and edit."""
    importer = Importer(databases, index)
    receipts = [
        importer.receipt(
            fingerprint(number),
            100 + number,
            mbid=mbid(number) if number % 3 else None,
            puid=UUID(int=number) if number % 7 == 1 else None,
            foreignid=f"vendor{number % 2}:{number}" if number % 4 == 0 else None,
            meta={"track": f"Título {number % 40}", "year": 1999} if number % 3 == 0 else None,
            format="MP3" if number % 2 else "FLAC",
            bitrate=128 + number,
        )
        for number in range(1, RECORDINGS + 1)
    ]
    importer.run(*receipts)
    copies = [
        importer.receipt(near_copy(fingerprint(each), each, 0.08), 101 + each, mbid=mbid(900))
        for each in range(1, RECORDINGS, COPIED_EVERY)
    ]
    importer.run(*copies)
    merge_tracks(databases, 2, [4, 5])
    merge_tracks(databases, 7, [2])
    disable_mbid(databases, mbid(10), "gone")
    merge_mbids(databases, mbid(13), mbid(900))
    author = Author(importer.account_id, "wrong")
    unlink_mbid(databases, author, 20, mbid(20))
    link_mbid(databases, author, 20, mbid(77))
    remove_fingerprint(databases, author, 44)
    importer.update_index()


def add_recordings(databases: Databases) -> None:
    musicbrainz = MusicBrainz(databases)
    for number in (*range(1, 60), 900):
        musicbrainz.add(mbid(number), length=1000 * (100 + number))


def answers(databases: Databases, index: Path) -> list[str]:
    """Return the answers to a lookup of each recording, and of each track by its gid."""
    by_fingerprint = [
        Lookup(seed % 3, 100 + seed, 7, fingerprint=compress(near_copy(fingerprint(seed), 3, 0.02)))
        for seed in range(1, RECORDINGS + 1)
    ]
    batch = validate_lookups(LookupBatch("id", "reply", 0.0, METAS, by_fingerprint))
    with open_reader(index) as reader:
        scored = score_lookups(batch, reader, databases)
    return [json.dumps(each) for each in describe_lookups(scored, databases).reply.answers]


def redirects(databases: Databases) -> Sequence[sa.Row[tuple[UUID, int]]]:
    with databases.engine("fingerprint").connect() as connection:
        statement = sa.select(track.c.gid, track.c.new_id).where(track.c.new_id.is_not(None))
        return connection.execute(statement.order_by(track.c.id)).all()


@pytest.fixture
def elsewhere(servers: Servers, tmp_path: Path) -> Settings:
    """Settings of four new databases, an index and a store."""
    settings = servers.settings("_round_trip")
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    index = settings.fingerprint_index.model_copy(update={"sketch_path": tmp_path / "sketch"})
    return settings.model_copy(update={"fingerprint_index": index})


def write_receipts(databases: Databases, index: Path) -> list[int]:
    """Write receipts of all states; return the ids of the submissions: two of them are pending."""
    importer = Importer(databases, index)
    imported = importer.receive([importer.receipt(fingerprint(700), 100, mbid=mbid(700))])[1]
    importer.persist(importer.match(imported))
    receipts = [
        importer.receipt(fingerprint(each), 100, mbid=mbid(each)) for each in range(701, 705)
    ]
    _, waiting = importer.receive(receipts)
    with databases.engine("ingest").begin() as connection:
        state = "UPDATE submission SET handled_at = now(), reason = 'a reason', state = "
        for number, name in zip(waiting, ("'rejected'", "'failed'"), strict=False):
            connection.execute(sa.text(f"{state} {name} WHERE id = {number}"))
        connection.execute(
            sa.text(
                "INSERT INTO nats_message (identity, stream, sequence, task_id, submission_ids) "
                "VALUES ('\\x00ff', 's', 9, gen_random_uuid(), '{5,6}')"
            )
        )
    importer.update_index()
    return imported + waiting


def private_rows(databases: Databases) -> dict[str, list[object]]:
    """Return the rows of all private tables."""
    found = {}
    for table in PRIVATE_TABLES:
        with databases.engine(table.database).connect() as connection:
            statement = f"SELECT row_to_json(t)::text FROM {table.name} t"  # noqa: S608
            found[table.path] = sorted(connection.execute(sa.text(statement)).scalars())
    return found


def key_holders(databases: Databases) -> list[tuple[Application | None, Account | None]]:
    with databases.engine("app").connect() as connection:
        keys = connection.execute(
            sa.text(
                "SELECT a.apikey, u.apikey FROM application a JOIN account u ON u.id = account_id"
            )
        ).all()
        return [
            (find_application(connection, each), find_account(connection, user))
            for each, user in keys
        ]


def test_an_imported_service_has_equal_tables_and_answers(
    databases: Databases, index_path: Path, elsewhere: Settings, tmp_path: Path
) -> None:
    fill(databases, index_path)
    add_recordings(databases)
    ids = write_receipts(databases, index_path)
    expected, tables = answers(databases, index_path), table_digests(databases)
    assert sum('"recordings"' in each for each in expected) > RECORDINGS / 4
    assert all(count for count, _ in tables.values())
    private = private_rows(databases)
    export(databases, tmp_path / "export", Silent(), is_private=True)
    folder = find_files(tmp_path / "export")
    other = Databases(elsewhere)

    def load() -> Imported:
        with Rejects("stop", None, print) as rejects:
            return import_files(elsewhere, other, folder, rejects, Silent(), is_private=True)

    try:
        add_recordings(other)
        load()
        assert table_digests(other) == tables
        assert answers(other, elsewhere.fingerprint_index.path) == expected
        assert redirects(other) == redirects(databases)
        assert private_rows(other) == private
        assert key_holders(other) == key_holders(databases)
        assert statuses(other, ids) == statuses(databases, ids)
        import_pending(other, elsewhere.fingerprint_index.path, ids[-2:])
        assert load().changed == 0  # what the service has done since stays
        states = {each.state for each in statuses(other, ids[-2:]).values()}
        assert states == {"imported"}
    finally:
        other.dispose()


def import_pending(databases: Databases, index: Path, ids: Sequence[int]) -> None:
    """Import the pending submissions, which get ids that the files do not have."""
    with open_reader(index) as reader:
        import_submissions(ids, reader, databases)
