"""Gives a loaded catalogue what only a used one has: merges, edits, all kinds of links."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from bench.bulk_import.runs import run_command
from bench.catalogue.content import BenchCatalogue
from bench.stack.launch import LoadedStack
from bench.submit.submissions import SubmissionSource
from pipeline.catalog.app.accounts import ensure_bot_account
from pipeline.catalog.edits.edit_log import Author
from pipeline.catalog.edits.fingerprint_edits import remove_fingerprint
from pipeline.catalog.edits.link_edits import link_mbid, unlink_mbid
from pipeline.catalog.fingerprint.mbid_disable import disable_mbid
from pipeline.catalog.fingerprint.tables import fingerprint, track_mbid
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.runtime.databases import Databases

LINES: Final = 400
"""Submissions with texts, PUIDs and foreign ids."""

MERGES: Final = 12
"""Tracks that are merged; every third target is merged on."""

DISABLED: Final = 8
EDITED: Final = 8


def vary(stack: LoadedStack, databases: Databases, catalogue: BenchCatalogue, folder: Path) -> None:
    """Import some lines, merge tracks, disable MBIDs, and edit links and fingerprints.

    Args:
        stack: a running stack with the catalogue.
        databases: its databases.
        catalogue: the content.
        folder: gets the file of lines.
    """
    path = folder / "lines.jsonl"
    forms = [each.form for each in SubmissionSource(catalogue, 0).create(LINES)]
    for number, form in enumerate(forms):
        if number % 3 == 0:
            form["puid"] = str(UUID(int=1 << 100 | number))
        if number % 4 == 0:
            form["foreignid"] = f"vendor{number % 5}:{number}"
    path.write_text("".join(json.dumps(form) + "\n" for form in forms))
    run_command(stack.data, "import", "--format", "jsonl", str(path))
    linked = _linked(databases, MERGES * 2 + DISABLED + EDITED + 1)
    _merge(databases, [track for track, _ in linked[: MERGES * 2]])
    rest = linked[MERGES * 2 :]
    for _, mbid in rest[:DISABLED]:
        disable_mbid(databases, mbid, "round trip")
    _edit(databases, rest[DISABLED:])


def _linked(databases: Databases, count: int) -> list[tuple[int, UUID]]:
    """Return tracks with their MBIDs, from the whole catalogue, each track and MBID once."""
    newest = sa.select(sa.func.max(track_mbid.c.id)).scalar_subquery()
    statement = (
        sa.select(sa.func.min(track_mbid.c.track_id), track_mbid.c.mbid)
        .where(track_mbid.c.id % sa.func.greatest(1, newest // (count * 2)) == 0)
        .group_by(track_mbid.c.mbid)
        .order_by(sa.func.min(track_mbid.c.track_id))
        .limit(count)
    )
    with databases.engine("fingerprint").connect() as connection:
        rows = connection.execute(statement).all()
    return list({row[0]: (row[0], row[1]) for row in rows}.values())


def _merge(databases: Databases, tracks: Sequence[int]) -> None:
    for number, (source, target) in enumerate(zip(tracks[::2], tracks[1::2], strict=False)):
        merge_tracks(databases, target, [source])
        if number % 3 == 2:
            merge_tracks(databases, tracks[number * 2 - 1], [target])


def _edit(databases: Databases, linked: Sequence[tuple[int, UUID]]) -> None:
    with databases.engine("app").begin() as connection:
        author = Author(ensure_bot_account(connection), "round trip")
    for track, mbid in linked[1:]:
        unlink_mbid(databases, author, track, mbid)
    link_mbid(databases, author, linked[0][0], linked[1][1])
    newest = sa.select(sa.func.max(fingerprint.c.id))
    with databases.engine("fingerprint").connect() as connection:
        removed = connection.execute(newest).scalar_one()
    remove_fingerprint(databases, author, removed)
