"""Applies all packets of a source in order, from the one after the last applied packet."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from pipeline.catalog.musicbrainz.replication.apply import AppliedPacket, apply_packet
from pipeline.catalog.musicbrainz.replication.position import followed_position
from pipeline.catalog.musicbrainz.replication.sources import (
    DirectorySource,
    DownloadLimits,
    PacketSource,
)


def open_source(
    text: str, token: SecretStr | None, limits: DownloadLimits | None = None
) -> PacketSource:
    """Return the source of a directory or of a web address.

    Args:
        text: the path, or an address with ``http://`` or ``https://``.
        token: the token for the server.
        limits: the limits of downloads.

    Raises:
        ReplicationError: the token would be sent without TLS.
    """
    if text.startswith(("http://", "https://")):
        # Only a worker that downloads packets loads the HTTP client.
        from pipeline.catalog.musicbrainz.replication.web_source import (  # noqa: PLC0415
            WebSource,
        )

        return WebSource(text, token, limits)
    return DirectorySource(Path(text))


def next_sequence(engine: sa.Engine) -> int:
    """Return the number of the next packet of the copy.

    Raises:
        ReplicationError: the copy cannot be followed.
        sqlalchemy.exc.DBAPIError: the database cannot be read.
    """
    with engine.connect() as connection:
        _, last = followed_position(connection)
        return last + 1


def follow(
    engine: sa.Engine, source: PacketSource, deadline: float = math.inf
) -> Iterator[AppliedPacket]:
    """Apply packets until the source has no next one; yield the result of each.

    Each packet is committed with its number, so a later call goes on after the last one, also if
    the process was killed.

    Args:
        engine: the engine of the ``musicbrainz`` database.
        source: the packets.
        deadline: a `time.monotonic` value; no packet is begun after it.

    Raises:
        ReplicationError: the next packet cannot be applied. Earlier ones stay applied.
        OSError: a file cannot be read or written.
        sqlalchemy.exc.DBAPIError, psycopg2.Error: the database fails.
    """
    while time.monotonic() < deadline:
        sequence = next_sequence(engine)
        with source.packet(sequence) as path:
            if path is None:
                return
            applied = apply_packet(engine, path, sequence)
        if applied is not None:
            yield applied
