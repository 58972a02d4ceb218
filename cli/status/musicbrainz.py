"""The state of the copy of MusicBrainz: its last packet, and why it stands still."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from redis import RedisError

from cli.text_table import show_value
from pipeline.catalog.musicbrainz.replication.position import read_position
from pipeline.runtime.databases import Databases, limit_statements
from pipeline.runtime.links.connection_limits import REDIS_STATUS
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.redis_state.musicbrainz_following import read_problem

_STATEMENT_TIMEOUT = 2.0  # seconds


def musicbrainz_state(databases: Databases, settings: Settings) -> dict[str, Any] | None:
    """Return packet, time and lag of the copy; None if the database cannot be read.

    ``problem`` is the reason for which the beat could not apply the next packet.
    """
    try:
        with databases.engine("musicbrainz", read_only=True).connect() as connection:
            limit_statements(connection, _STATEMENT_TIMEOUT)
            position = read_position(connection)
    except (sa.exc.SQLAlchemyError, OSError):
        return None
    follows = bool(settings.musicbrainz.replication_source)
    replicated = position.replicated if position else None
    lag = position.lag if position else None
    return {
        "schema_sequence": position.schema if position else None,
        "replication_sequence": position.sequence if position else None,
        "replicated": replicated.isoformat() if replicated else None,
        "lag_seconds": None if lag is None else round(lag, 1),
        "follows": follows,
        "problem": _problem(settings) if follows else None,
    }


def _problem(settings: Settings) -> str | None:
    try:
        with connect(settings.redis, limits=REDIS_STATUS) as client:
            return read_problem(client) or None
    except RedisError:
        return None


def describe_musicbrainz(figures: Mapping[str, Any], lag: str) -> str:
    """Return a line of text.

    Args:
        figures: the result of `musicbrainz_state`.
        lag: `lag_seconds` as text.
    """
    if figures["schema_sequence"] is None:
        return "empty, or a dump without a date"
    packet = figures["replication_sequence"]
    parts = [f"packet {packet}" if packet is not None else "no number of a packet"]
    if figures["replicated"] is not None:
        parts.append(f"{lag} behind")
    if not figures["follows"]:
        parts.append("not followed by this installation")
    if figures["problem"]:
        parts.append(f"stands still: {show_value(figures['problem'])}")
    return ", ".join(parts)
