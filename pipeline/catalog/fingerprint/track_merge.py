"""Merges tracks: fingerprints and links move to one track, and the others redirect to it.

The fingerprint database and the ingest database change, without a common commit. The ingest
database is committed first, while all rows of the other one are locked and changed. If the second
commit fails, a second run makes the same changes, because the ids alone determine which links stay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.bulk_statements import is_one_of, replace_ids
from pipeline.catalog.fingerprint.tables import fingerprint, submission_import, track
from pipeline.catalog.fingerprint.track_merge_links import (
    KINDS,
    LinkGroup,
    LinkKind,
    find_unlinked,
    group_links,
    lock_links,
    moves_of,
    store_groups,
)
from pipeline.catalog.fingerprint.tracks import (
    Track,
    TrackName,
    find_merged_tracks,
    find_tracks,
)
from pipeline.catalog.ingest import import_results
from pipeline.catalog.ingest.tables import fingerprint_source, submission_result
from pipeline.runtime.databases import Databases


class MergeRefusedError(ValueError):
    """These tracks can't be merged. The message says what to change."""


@dataclass(frozen=True, slots=True)
class TrackMerge:
    """The changes of a merge.

    Attributes:
        target: the track that stays.
        sources: the tracks that are merged into it now.
        earlier: the tracks that were merged into it before.
        fingerprints: track id of each fingerprint of these tracks, by fingerprint id.
        redirected: ids of tracks that were merged into one of the sources before.
        links: the links after the merge, in the order of `KINDS`.
    """

    target: Track
    sources: tuple[Track, ...]
    earlier: tuple[Track, ...]
    fingerprints: dict[int, int]
    redirected: tuple[int, ...]
    links: tuple[list[LinkGroup], ...]

    @property
    def moved(self) -> list[int]:
        """Ids of the fingerprints that get another track."""
        return [key for key, owner in self.fingerprints.items() if owner != self.target.id]


def merge_tracks(
    databases: Databases, target: TrackName, sources: Sequence[TrackName]
) -> TrackMerge:
    """Merge tracks into one, and return the changes; a second run changes nothing.

    Imports wait until the end. Those that matched a merged track match again.

    Args:
        databases: ``fingerprint`` and ``ingest`` are changed.
        target: the track that stays.
        sources: the tracks to merge; their gids redirect to the target.

    Raises:
        MergeRefusedError: a track does not exist, is merged into another one, or is source and
            target.
        sqlalchemy.exc.OperationalError: a database is unreachable; run it again.
    """
    with databases.engine("fingerprint").begin() as connection:
        lock_catalogue(connection)
        plan = plan_merge(connection, target, sources)
        tracks = {plan.target.id, *(each.id for each in plan.sources)}
        import_results.record_unrecorded(connection, databases, tracks)
        _merge_catalogue(connection, plan)
        with databases.engine("ingest").begin() as ingest:
            _move_imports(connection, ingest, plan)
            _move_provenance(ingest, plan)
    return plan


def plan_merge(
    connection: sa.Connection, target: TrackName, sources: Iterable[TrackName]
) -> TrackMerge:
    """Return the changes of a merge; the rows stay locked until the transaction ends.

    Args:
        connection: a connection to the fingerprint database.
        target: the track that stays.
        sources: the tracks to merge.

    Raises:
        MergeRefusedError: a track does not exist, is merged into another one, or is source and
            target.
    """
    wanted = [target, *sources]
    found = find_tracks(connection, wanted, lock=True)
    unknown = [str(name) for name in wanted if name not in found]
    if unknown:
        raise MergeRefusedError(f"there is no track {', '.join(unknown)}")
    first, *others = (found[name] for name in wanted)
    distinct = tuple(dict.fromkeys(others))
    _check(connection, first, distinct)
    ids = [first.id, *(each.id for each in distinct)]
    return TrackMerge(
        target=first,
        sources=tuple(each for each in distinct if each.new_id is None),
        earlier=tuple(each for each in distinct if each.new_id is not None),
        fingerprints=_fingerprints(connection, ids),
        redirected=tuple(find_merged_tracks(connection, (each.id for each in distinct))),
        links=tuple(_grouped(connection, kind, ids) for kind in KINDS),
    )


def _grouped(
    connection: sa.Connection, kind: LinkKind, track_ids: Sequence[int]
) -> list[LinkGroup]:
    links = lock_links(connection, kind, track_ids)
    return group_links(links, find_unlinked(connection, links))


def _check(connection: sa.Connection, target: Track, sources: Sequence[Track]) -> None:
    if target in sources:
        raise MergeRefusedError(f"track {target.gid} can't be merged into itself")
    merged = [
        each for each in (target, *sources) if each.new_id is not None and each.new_id != target.id
    ]
    if merged:
        where = sa.select(track.c.gid).where(track.c.id == merged[0].new_id)
        gid = connection.execute(where).scalar_one()
        raise MergeRefusedError(
            f"track {merged[0].gid} was merged into track {gid} (id {merged[0].new_id}): "
            "give that track instead"
        )


def _fingerprints(connection: sa.Connection, track_ids: Sequence[int]) -> dict[int, int]:
    statement = sa.select(fingerprint.c.id, fingerprint.c.track_id)
    wanted = statement.where(fingerprint.c.track_id.in_(track_ids))
    return dict(connection.execute(wanted).all())


def _merge_catalogue(connection: sa.Connection, plan: TrackMerge) -> None:
    target_id = plan.target.id
    for kind, groups in zip(KINDS, plan.links, strict=True):
        store_groups(connection, kind, target_id, groups)
    connection.execute(
        sa.update(fingerprint)
        .where(fingerprint.c.id.in_(plan.moved))
        .values(track_id=target_id, updated=sa.func.now())
    )
    connection.execute(
        sa.update(track)
        .where(track.c.id.in_([*(each.id for each in plan.sources), *plan.redirected]))
        .values(new_id=target_id, updated=sa.func.now())
    )


def _move_imports(connection: sa.Connection, ingest: sa.Connection, plan: TrackMerge) -> None:
    """Replace merged tracks and links in the rows of imported submissions."""
    statement = sa.select(fingerprint_source.c.submission_id).where(
        fingerprint_source.c.fingerprint_id.in_(list(plan.fingerprints))
    )
    ids = ingest.execute(statement).scalars().all()
    of_sources = is_one_of(submission_import.c.submission_id, ids)
    merged = {each.id: plan.target.id for each in plan.sources}
    replace_ids(connection, submission_import.c.track_id, merged, of_sources)
    for kind, groups in zip(KINDS, plan.links, strict=True):
        replace_ids(connection, kind.imported, moves_of(groups), of_sources)


def _move_provenance(ingest: sa.Connection, plan: TrackMerge) -> None:
    for kind, groups in zip(KINDS, plan.links, strict=True):
        for column in kind.provenance:
            replace_ids(ingest, column, moves_of(groups))
    ingest.execute(
        sa.update(submission_result)
        .where(submission_result.c.fingerprint_id.in_(plan.moved))
        .values(track_id=plan.target.id)
    )
