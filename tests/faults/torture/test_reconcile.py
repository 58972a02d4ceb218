"""The reconciliation finds no difference after right imports, and each difference that is made."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.catalog.ingest import tables as ingest
from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.fingerprint_store import open_store_writer
from pipeline.following.followers import update_followers
from pipeline.following.index_copy import sketch_index
from pipeline.following.store_copy import StoreCopy
from pipeline.index import Delete, Insert, open_writer
from pipeline.runtime.databases import Databases
from tests.faults.torture.model import Model
from tests.faults.torture.reconcile import reconcile_databases
from tests.faults.torture.reconcile_files import (
    indexed_terms,
    reconcile_index,
    reconcile_sketch,
    reconcile_store,
)
from tests.support.catalogue.imports import Importer

SUBMISSIONS = 30
SEED = 4
RATE = 4


class Catalogue:
    """Imported submissions of a model, with an index, a store and a sketch index."""

    def __init__(self, databases: Databases, folder: Path) -> None:
        self.databases = databases
        self.index, self.store = folder / "index", folder / "store"
        self.sketches = folder / "sketch"
        self.sketch = sketch_folder(self.sketches, RATE)
        self.model = Model(SEED)
        importer = Importer(databases, self.index)
        random = np.random.default_rng(SEED)
        receipts = []
        for _ in range(SUBMISSIONS):
            sent = self.model.create(random)
            fields = {
                "mbid": sent.mbid,
                "foreignid": sent.foreignid,
                "meta": {"track": f"Title {sent.recording}"},
            }
            receipts.append(importer.receipt(sent.words, sent.duration, **fields))
        _, ids = importer.receive(receipts)
        self.model.accept({key: serial for serial, key in enumerate(ids)})
        importer.persist(importer.match(ids))
        importer.update_index()
        with open_store_writer(self.store) as writer, open_writer(self.sketch) as sketch:
            copies = [StoreCopy(writer), sketch_index(sketch, RATE)]
            update_followers(copies, self.databases)

    def problems(self) -> list[str]:
        """Return all differences to the model."""
        return [
            *reconcile_databases(self.databases, self.model),
            *reconcile_index(self.databases, self.index),
            *reconcile_store(self.databases, self.store),
            *reconcile_sketch(self.databases, self.sketches, RATE),
        ]

    def change(self, database: str, statement: sa.Executable) -> None:
        """Run a statement."""
        with self.databases.engine(database).begin() as connection:  # type: ignore[arg-type]
            connection.execute(statement)


@pytest.fixture
def catalogue(databases: Databases, tmp_path: Path) -> Catalogue:
    return Catalogue(databases, tmp_path)


def _double_a_count(table: sa.Table) -> Callable[[Catalogue], None]:
    def change(catalogue: Catalogue) -> None:
        least = sa.select(sa.func.min(table.c.id)).scalar_subquery()
        more = {"submission_count": table.c.submission_count + 1}
        statement = sa.update(table).where(table.c.id == least).values(more)
        catalogue.change("fingerprint", statement)

    return change


def _double_a_fingerprint(catalogue: Catalogue) -> None:
    row = tables.fingerprint
    columns = [row.c.words, row.c.gid, row.c.simhash, row.c.length, row.c.track_id]
    least = sa.select(sa.func.min(row.c.id)).scalar_subquery()
    copied = sa.select(*columns, sa.literal(1)).where(row.c.id == least)
    names = [*(column.name for column in columns), "submission_count"]
    catalogue.change("fingerprint", sa.insert(row).from_select(names, copied))


def _split_a_track(catalogue: Catalogue) -> None:
    with catalogue.databases.engine("fingerprint").begin() as connection:
        new = connection.execute(
            sa.insert(tables.track).values(gid=uuid4()).returning(tables.track.c.id)
        ).scalar_one()
        note = tables.submission_import
        first = (
            connection.execute(sa.select(note.c.submission_id).order_by(note.c.submission_id))
            .scalars()
            .all()
        )
        for submission_id in first:
            recording = catalogue.model.sent[catalogue.model.accepted[submission_id]].recording
            same = [
                key
                for key, serial in catalogue.model.accepted.items()
                if catalogue.model.sent[serial].recording == recording
            ]
            if len(same) > 1:
                moved = sa.update(note).where(note.c.submission_id == submission_id)
                connection.execute(moved.values(track_id=new))
                return


def _lose_a_receipt(catalogue: Catalogue) -> None:
    least = sa.select(sa.func.min(ingest.submission.c.id)).scalar_subquery()
    catalogue.change("ingest", sa.delete(ingest.submission).where(ingest.submission.c.id == least))


def _fail_a_receipt(catalogue: Catalogue) -> None:
    least = sa.select(sa.func.max(ingest.submission.c.id)).scalar_subquery()
    failed = {"state": "failed", "reason": "crashed its worker three times"}
    statement = sa.update(ingest.submission).where(ingest.submission.c.id == least).values(failed)
    catalogue.change("ingest", statement)


def _lose_a_source(catalogue: Catalogue) -> None:
    source = ingest.fingerprint_source
    fifth = sa.select(source.c.id).order_by(source.c.id).offset(4).limit(1).scalar_subquery()
    catalogue.change("ingest", sa.delete(source).where(source.c.id == fifth))


def _store_what_was_refused(catalogue: Catalogue) -> None:
    catalogue.model.refuse([7])


def _lose_a_posting(folder: Path) -> None:
    document, terms = next(iter(sorted(indexed_terms(folder).items())))
    kept = np.array(sorted(terms)[1:], np.uint32)
    with open_writer(folder) as writer:
        writer.apply([Insert(document, kept)], writer.position())


def _lose_a_document(folder: Path) -> None:
    with open_writer(folder) as writer:
        writer.apply([Delete(1)], writer.position())


def _keep_another_rate(catalogue: Catalogue) -> None:
    sketch_folder(catalogue.sketches, 2 * RATE).mkdir()


def _change_a_length(catalogue: Catalogue) -> None:
    row = tables.fingerprint
    longer = sa.update(row).where(row.c.id == 1).values(length=row.c.length + 1)
    catalogue.change("fingerprint", longer)


def _leave_a_change_unapplied(catalogue: Catalogue) -> None:
    entry = sa.insert(tables.fpindex_changelog).values(fingerprint_id=1, deleted=False)
    catalogue.change("fingerprint", entry)


BREACHES: dict[str, tuple[Callable[[Catalogue], None], str]] = {
    "a change that is not applied": (_leave_a_change_unapplied, "but the changelog's is"),
    "a doubled count of an MBID": (_double_a_count(tables.track_mbid), "MBID counts"),
    "a doubled count of a text": (_double_a_count(tables.track_meta), "text counts"),
    "a doubled count of a fingerprint": (_double_a_count(tables.fingerprint), "count "),
    "a doubled fingerprint": (_double_a_fingerprint, "fingerprints, not"),
    "a split track": (_split_a_track, "has 2 tracks"),
    "a lost receipt": (_lose_a_receipt, "accepted and is lost"),
    "a failed receipt": (_fail_a_receipt, "is failed"),
    "a lost source": (_lose_a_source, "no row in fingerprint_source"),
    "a refused receipt": (_store_what_was_refused, "its request was refused"),
    "a lost posting": (lambda it: _lose_a_posting(it.index), "index: document 1 lacks 1 terms"),
    "a lost document": (lambda it: _lose_a_document(it.index), "index: fingerprint 1 is missing"),
    "a lost sketch term": (lambda it: _lose_a_posting(it.sketch), "sketch: document 1 lacks 1 "),
    "a lost sketch": (lambda it: _lose_a_document(it.sketch), "sketch: fingerprint 1 is missing"),
    "a replaced sketch index": (_keep_another_rate, "sketch: the index of rate 8 remains"),
    "another length": (_change_a_length, "store: fingerprint 1 has another length"),
}


def test_right_imports_differ_in_nothing(catalogue: Catalogue) -> None:
    assert catalogue.problems() == []


def test_each_breach_is_reported(databases: Databases, tmp_path: Path) -> None:
    # One catalogue for all: each breach adds its own lines to those of the breaches before.
    catalogue = Catalogue(databases, tmp_path)
    before = catalogue.problems()
    for name, (breach, text) in BREACHES.items():
        breach(catalogue)
        after = catalogue.problems()
        assert not any(text in each for each in before), name
        assert any(text in each for each in after), name
        before = after
