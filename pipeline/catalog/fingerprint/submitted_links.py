"""Writes the links of tracks that submissions confirm: MBIDs, PUIDs, texts and foreign ids."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import insert_missing, insert_rows, is_one_of
from pipeline.catalog.fingerprint.tables import (
    foreignid,
    foreignid_vendor,
    meta,
    track_foreignid,
    track_mbid,
    track_meta,
    track_puid,
)
from pipeline.submission_fields import METADATA_FIELDS, Kind

_BLANK: Final = re.compile(r"[\s\0]+")


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
    """Add 1 to the submission count of each link, inserting new links; return the links' ids.

    A disabled or merged MBID link stays disabled or merged.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
        table: one of `track_mbid`, `track_puid`, `track_meta`, `track_foreignid`.
        links: (track id, value), once for each submission that has it.
    """
    counts = Counter(links)
    if not counts:
        return {}
    value = _VALUE_COLUMN[table]
    rows = [
        {"track_id": track_id, value: named, "submission_count": count}
        for (track_id, named), count in counts.items()
    ]
    added = insert_rows(table, rows)
    statement = added.on_conflict_do_update(
        index_elements=["track_id", value],
        set_={
            "submission_count": table.c.submission_count + added.excluded.submission_count,
            "updated": sa.func.now(),
        },
    ).returning(table.c.track_id, table.c[value], table.c.id)
    found = connection.execute(statement).all()
    return {(track_id, named): link_id for track_id, named, link_id in found}


def meta_ids(connection: sa.Connection, metas: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, int]:
    """Return the ids of text metadata by identity, inserting new ones.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
        metas: cleaned fields by their identity (`meta_gid`).
    """
    if not metas:
        return {}
    rows = [
        {"gid": gid} | {name: values.get(name) for name in METADATA_FIELDS}
        for gid, values in metas.items()
    ]
    insert_missing(connection, meta, rows, "gid")
    statement = sa.select(meta.c.gid, meta.c.id).where(is_one_of(meta.c.gid, metas))
    return dict(connection.execute(statement).all())


def foreignid_ids(connection: sa.Connection, texts: Iterable[str]) -> dict[str, int]:
    """Return the ids of foreign ids by their text ``vendor:name``, inserting new ones."""
    parts = {text: tuple(text.split(":", 1)) for text in texts}
    if not parts:
        return {}
    vendors = _vendor_ids(connection, {vendor for vendor, _ in parts.values()})
    keys = {text: (vendors[vendor], name) for text, (vendor, name) in parts.items()}
    rows = [{"vendor_id": vendor_id, "name": name} for vendor_id, name in keys.values()]
    insert_missing(connection, foreignid, rows, "vendor_id", "name")
    wanted = sa.tuple_(foreignid.c.vendor_id, foreignid.c.name).in_(list(keys.values()))
    statement = sa.select(foreignid.c.vendor_id, foreignid.c.name, foreignid.c.id).where(wanted)
    ids = {(vendor_id, name): found for vendor_id, name, found in connection.execute(statement)}
    return {text: ids[key] for text, key in keys.items()}


def _vendor_ids(connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
    wanted = sorted(names)
    insert_missing(connection, foreignid_vendor, [{"name": name} for name in wanted], "name")
    statement = sa.select(foreignid_vendor.c.name, foreignid_vendor.c.id).where(
        is_one_of(foreignid_vendor.c.name, wanted)
    )
    return dict(connection.execute(statement).all())


def clean(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `METADATA_FIELDS` that are not empty.

    Each run of white space or NUL characters becomes one space. Numbers above the `max_value` of
    their field are left out.
    """
    cleaned: dict[str, Any] = {}
    for name, field in METADATA_FIELDS.items():
        value = fields.get(name)
        if not value:
            continue
        if field.kind is Kind.METADATA_TEXT:
            cleaned[name] = _BLANK.sub(" ", str(value))
        elif field.max_value is None or value <= field.max_value:
            cleaned[name] = value
    return cleaned
