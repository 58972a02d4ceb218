"""Compares the databases with the model: each submission once, each link and count as computed.

The ingest database says which receipts exist. Each accepted id must be among them. Tracks,
fingerprints and links are then computed from the receipts that were imported.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.catalog.ingest import tables as ingest
from pipeline.runtime.databases import DatabaseName, Databases
from tests.faults.torture.model import BAD, NEAR, Model, Submission

PREFIX: Final = "torture:"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A row of the ingest database with the submission that it stores."""

    id: int
    state: str
    reason: str | None
    sent: Submission


def reconcile_databases(databases: Databases, model: Model) -> list[str]:
    """Return one line for each difference between the databases and the model.

    All submissions must have a final state, and no import may be running.
    """
    receipts = list(_receipts(databases, model))
    imported = [each for each in receipts if each.state == "imported"]
    return [
        *_receipt_problems(receipts, model),
        *_import_problems(databases, imported),
        *_track_problems(databases, imported),
        *_link_problems(databases, imported),
        *_source_problems(databases, imported),
    ]


def _receipts(databases: Databases, model: Model) -> Iterator[Receipt]:
    for row in _rows(databases, "ingest", ingest.submission):
        serial = int((row.foreignid or "").removeprefix(PREFIX) or -1)
        if serial in model.sent:
            yield Receipt(row.id, row.state, row.reason, model.sent[serial])


def _receipt_problems(receipts: Sequence[Receipt], model: Model) -> Iterator[str]:
    stored = {each.id: each for each in receipts}
    for submission_id, serial in sorted(model.accepted.items()):
        receipt = stored.get(submission_id)
        if receipt is None:
            yield f"submission {submission_id} was accepted and is lost"
        elif receipt.sent.serial != serial:
            yield f"submission {submission_id} is that of another request"
    for receipt in receipts:
        expected = "rejected" if receipt.sent.kind == BAD else "imported"
        if receipt.state != expected:
            yield (f"submission {receipt.id} is {receipt.state} ({receipt.reason}), not {expected}")
        if receipt.sent.serial in model.refused:
            yield f"submission {receipt.id} is stored, but its request was refused"
    for serial, count in Counter(each.sent.serial for each in receipts).items():
        if count > 1:
            yield f"{count} receipts of the submission with the foreign id {PREFIX}{serial}"


def _import_problems(databases: Databases, imported: Sequence[Receipt]) -> Iterator[str]:
    """Check that each import is recorded once in both databases, with the same result."""
    notes = {
        row.submission_id: (row.fingerprint_id, row.track_id)
        for row in _rows(databases, "fingerprint", tables.submission_import)
    }
    results = {
        row.submission_id: (row.fingerprint_id, row.track_id)
        for row in _rows(databases, "ingest", ingest.submission_result)
    }
    for receipt in imported:
        if receipt.id not in notes:
            yield f"submission {receipt.id} is imported, but has no row in submission_import"
        elif results.get(receipt.id) != notes[receipt.id]:
            yield (
                f"submission {receipt.id} has the result {results.get(receipt.id)}, but the "
                f"import {notes[receipt.id]}"
            )


def _track_problems(databases: Databases, imported: Sequence[Receipt]) -> Iterator[str]:
    """Check that each recording has one track, and each class of copies one fingerprint."""
    tracks = _tracks(databases, imported)
    for recording, found in sorted(tracks.items()):
        if len(found) > 1:
            yield f"recording {recording} has {len(found)} tracks: {sorted(found)}"
    owners = Counter(track for found in tracks.values() for track in found)
    for track, count in owners.items():
        if count > 1:
            yield f"track {track} belongs to {count} recordings"
    counts = _counts_by_track(databases)
    strays = set(counts) - set(owners)
    if strays:
        yield f"fingerprints of the tracks {sorted(strays)}, which no submission has"
    yield from _fingerprint_problems(tracks, counts, imported)


def _fingerprint_problems(
    tracks: Mapping[int, set[int]],
    counts: Mapping[int, Sequence[int]],
    imported: Sequence[Receipt],
) -> Iterator[str]:
    """Check the number of fingerprints and of submissions of each recording."""
    sent: dict[int, list[Submission]] = defaultdict(list)
    for each in imported:
        sent[each.sent.recording].append(each.sent)
    for recording, found in sorted(tracks.items()):
        own = [count for track in found for count in counts.get(track, ())]
        if sum(own) != len(sent[recording]):
            yield (
                f"the fingerprints of recording {recording} count {sum(own)} submissions, not "
                f"{len(sent[recording])}"
            )
        classes = {each.kind == NEAR for each in sent[recording]}
        if len(own) != len(classes):
            yield f"recording {recording} has {len(own)} fingerprints, not {len(classes)}"


def _counts_by_track(databases: Databases) -> dict[int, list[int]]:
    """Return the number of submissions of each fingerprint of a track."""
    counts: dict[int, list[int]] = defaultdict(list)
    for row in _rows(databases, "fingerprint", tables.fingerprint):
        counts[row.track_id].append(row.submission_count)
    return counts


def _link_problems(databases: Databases, imported: Sequence[Receipt]) -> Iterator[str]:
    """Check the number of submissions of each link to an MBID, a text and a foreign id."""
    recording_of = {
        track: recording
        for recording, found in _tracks(databases, imported).items()
        for track in found
    }
    mbids: Counter[tuple[int | None, object]] = Counter()
    for row in _rows(databases, "fingerprint", tables.track_mbid):
        mbids[recording_of.get(row.track_id), row.mbid] += row.submission_count
    expected = Counter((each.sent.recording, each.sent.mbid) for each in imported)
    yield from _differences("MBID", expected, mbids)
    texts: Counter[int | None] = Counter()
    for row in _rows(databases, "fingerprint", tables.track_meta):
        texts[recording_of.get(row.track_id)] += row.submission_count
    yield from _differences("text", Counter(each.sent.recording for each in imported), texts)
    foreign: Counter[tuple[int | None, str]] = Counter()
    link, name = tables.track_foreignid, tables.foreignid
    with databases.engine("fingerprint").connect() as connection:
        for row in connection.execute(
            sa.select(link.c.track_id, name.c.name, link.c.submission_count).join_from(link, name)
        ):
            foreign[recording_of.get(row.track_id), row.name] += row.submission_count
    expected_ids = Counter((each.sent.recording, str(each.sent.serial)) for each in imported)
    yield from _differences("foreign id", expected_ids, foreign)


def _source_problems(databases: Databases, imported: Sequence[Receipt]) -> Iterator[str]:
    """Check that each import is recorded once as a source of its fingerprint and its links."""
    ids = {each.id for each in imported}
    for table in (ingest.fingerprint_source, ingest.track_mbid_source, ingest.track_meta_source):
        found = Counter(row.submission_id for row in _rows(databases, "ingest", table))
        for submission_id in sorted(ids - set(found)):
            yield f"submission {submission_id} has no row in {table.name}"
        for submission_id in sorted(set(found) - ids):
            yield f"submission {submission_id} has a row in {table.name}, but is not imported"


def _tracks(databases: Databases, imported: Sequence[Receipt]) -> dict[int, set[int]]:
    """Return the tracks of each recording; merged ones are followed."""
    moved = {row.id: row.new_id for row in _rows(databases, "fingerprint", tables.track)}
    place = {
        row.submission_id: row.track_id
        for row in _rows(databases, "fingerprint", tables.submission_import)
    }
    found: dict[int, set[int]] = {}
    for receipt in imported:
        track = place.get(receipt.id)
        while track is not None and moved.get(track) is not None:
            track = moved[track]
        if track is not None:
            found.setdefault(receipt.sent.recording, set()).add(track)
    return found


def _differences(kind: str, expected: Mapping[Any, int], found: Mapping[Any, int]) -> Iterator[str]:
    for key in sorted({*expected, *found}, key=str):
        if expected.get(key, 0) != found.get(key, 0):
            yield (
                f"the link of {key} to its {kind} counts {found.get(key, 0)} submissions, not "
                f"{expected.get(key, 0)}"
            )


def _rows(databases: Databases, name: DatabaseName, table: sa.Table) -> Sequence[sa.Row[Any]]:
    with databases.engine(name).connect() as connection:
        return connection.execute(sa.select(table)).all()
