"""Links from tracks to what submissions said of them: MBIDs, PUIDs, text metadata, foreign ids."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.fingerprint_tables import (
    foreignid,
    foreignid_vendor,
    meta,
    track_foreignid,
    track_mbid,
    track_meta,
    track_puid,
)

V = TypeVar("V", bound=Hashable)

_VALUE_COLUMN: Final = {
    track_mbid: "mbid",
    track_puid: "puid",
    track_meta: "meta_id",
    track_foreignid: "foreignid_id",
}


def confirm(
    connection: sa.Connection, table: sa.Table, links: Iterable[tuple[int, V]]
) -> dict[tuple[int, V], int]:
    """Count one more submission on each link, adding those that are new; return the links' ids.

    A disabled or merged MBID link stays as it is but for its count.

    Args:
        connection: on the fingerprint database, in a transaction.
        table: one of `track_mbid`, `track_puid`, `track_meta`, `track_foreignid`.
        links: (track id, value), once for each submission that names it.
    """
    counts = Counter(links)
    if not counts:
        return {}
    value = _VALUE_COLUMN[table]
    rows = [
        {"track_id": track_id, value: named, "submission_count": count}
        for (track_id, named), count in counts.items()
    ]
    added = insert(table)
    statement = added.on_conflict_do_update(
        index_elements=["track_id", value],
        set_={
            "submission_count": table.c.submission_count + added.excluded.submission_count,
            "updated": sa.func.now(),
        },
    ).returning(table.c.track_id, table.c[value], table.c.id)
    found = connection.execute(statement, rows).all()
    return {(track_id, named): link_id for track_id, named, link_id in found}


def meta_ids(connection: sa.Connection, metas: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, int]:
    """Return the ids of text metadata by identity, adding what is new.

    Args:
        connection: on the fingerprint database, in a transaction.
        metas: cleaned fields of each text metadata by its identity (`meta_gid`).
    """
    if not metas:
        return {}
    fields = ("track", "artist", "album", "album_artist", "track_no", "disc_no", "year")
    rows = [
        {"gid": gid} | {field: values.get(field) for field in fields}
        for gid, values in metas.items()
    ]
    connection.execute(insert(meta).on_conflict_do_nothing(index_elements=["gid"]), rows)
    statement = sa.select(meta.c.gid, meta.c.id).where(
        meta.c.gid == sa.any_(sa.cast(list(metas), sa.ARRAY(sa.UUID)))
    )
    return dict(connection.execute(statement).all())


def foreignid_ids(connection: sa.Connection, texts: Iterable[str]) -> dict[str, int]:
    """Return the ids of foreign ids by their text ``vendor:name``, adding what is new."""
    return {text: _foreignid_id(connection, *text.split(":", 1)) for text in set(texts)}


def _foreignid_id(connection: sa.Connection, vendor: str, name: str) -> int:
    vendor_id = _find_or_add(connection, foreignid_vendor, name=vendor)
    return _find_or_add(connection, foreignid, vendor_id=vendor_id, name=name)


def _find_or_add(connection: sa.Connection, table: sa.Table, **values: Any) -> int:  # noqa: ANN401 - column values
    added = insert(table).values(values).on_conflict_do_nothing().returning(table.c.id)
    known = sa.select(table.c.id).filter_by(**values)
    found = connection.execute(added).scalar()
    return found if found is not None else int(connection.execute(known).scalar_one())
