"""A sample of the fingerprints that an index at a position of the changelog must contain."""

from typing import Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql

from pipeline.catalog.fingerprint.tables import fingerprint, fpindex_changelog

SPREAD: Final = 10
"""Number of entries that are spread over the changelog."""

NEWEST: Final = 10
"""Number of entries at the position. Two states of one database differ in the newest entries."""

_NEAREST: Final = 50  # entries before each one that are read if its fingerprint was deleted


def index_sample(connection: sa.Connection, position: int) -> dict[int, NDArray[np.uint32]]:
    """Return the query terms of about 20 fingerprints by id.

    The index at the position contains each of them. Fingerprints that were deleted since, and
    fingerprints of silence, are left out. The time does not depend on the number of fingerprints.

    Args:
        connection: a connection to the fingerprint database.
        position: the changelog position of the index.
    """
    from pipeline.fingerprint.query import extract_query  # noqa: PLC0415 - loops

    lowest = connection.scalar(sa.select(sa.func.min(fpindex_changelog.c.id))) or 1
    spread = np.linspace(lowest, position, SPREAD).astype(np.int64)
    wanted = {*spread.tolist(), *range(max(lowest, position - NEWEST), position + 1)}
    rows = connection.execute(_nearest_fingerprints(sorted(wanted))).all()
    sample = {row.id: extract_query(np.frombuffer(row.words, dtype="<u4")) for row in rows}
    return {document: terms for document, terms in sample.items() if terms.size}


def _nearest_fingerprints(positions: list[int]) -> sa.Select[tuple[int, bytes]]:
    """Select the fingerprint of the last entry up to each position that was not deleted."""
    array = sa.cast(positions, postgresql.ARRAY(sa.BigInteger))
    wanted = sa.func.unnest(array).table_valued("position", name="wanted").render_derived()
    entries = (
        sa.select(fpindex_changelog.c.id, fpindex_changelog.c.fingerprint_id)
        .where(fpindex_changelog.c.id <= wanted.c.position)
        .order_by(fpindex_changelog.c.id.desc())
        .limit(_NEAREST)
        .correlate(wanted)
        .subquery("entries")
    )
    nearest = (
        sa.select(fingerprint.c.id, fingerprint.c.words)
        .join(entries, entries.c.fingerprint_id == fingerprint.c.id)
        .order_by(entries.c.id.desc())
        .limit(1)
        .lateral("nearest")
    )
    return sa.select(nearest.c.id, nearest.c.words).select_from(wanted).join(nearest, sa.true())
