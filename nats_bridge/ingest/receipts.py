"""Writes the receipts of messages, several messages in one transaction."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.advisory_locks import lock_nats_receipts
from pipeline.catalog.ingest import leases, nats_messages
from pipeline.catalog.ingest.nats_messages import NewMessage, StoredMessage
from pipeline.runtime.databases import Databases

_DIGEST_SIZE: Final = 32  # bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A message whose receipts are committed.

    Attributes:
        message: the task id and the submission ids.
        is_new: whether this transaction wrote them. Otherwise they were written before.
    """

    message: StoredMessage
    is_new: bool


class NatsReceipts:
    """The receipts of messages from NATS, in the ingest database. Thread-safe.

    Args:
        databases: the databases.
        max_pending: maximum number of submissions without a final state.
    """

    def __init__(self, databases: Databases, max_pending: int) -> None:
        self._databases = databases
        self._max_pending = max_pending

    def known(self, identities: Sequence[bytes]) -> dict[bytes, StoredMessage]:
        """Return the messages whose receipts were written before, by identity.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unreachable.
        """
        with self._databases.engine("ingest").connect() as connection:
            return nats_messages.find(connection, identities)

    def write(self, messages: Sequence[NewMessage]) -> dict[bytes, Stored]:
        """Commit the receipts of messages; return the stored messages by identity.

        A message that was written before keeps its submission ids. Messages from the first one on
        that would exceed `max_pending` are not written. A message with more receipts than that is
        written while no submission is pending.

        The transactions of all processes follow each other, so the limit is exact.

        Args:
            messages: the messages, in the order of the stream.

        Raises:
            Exception: nothing was committed, or it is unknown whether it was. A second call with
                the same messages is right in both cases.
        """
        with self._databases.engine("ingest").begin() as connection:
            lock_nats_receipts(connection)
            known = nats_messages.find(connection, [each.identity for each in messages])
            new = self._within_limit(
                connection, [each for each in messages if each.identity not in known]
            )
            inserted = nats_messages.insert(connection, new)
        stored = {identity: Stored(found, is_new=False) for identity, found in known.items()}
        for message, found in zip(new, inserted, strict=True):
            stored[message.identity] = Stored(found, is_new=True)
        return stored

    def _within_limit(
        self, connection: sa.Connection, messages: Sequence[NewMessage]
    ) -> list[NewMessage]:
        """Return the first messages, each identity once, whose receipts the limit permits."""
        if not messages:
            return []
        pending = leases.count_pending(connection, self._max_pending)
        taken: dict[bytes, NewMessage] = {}
        for message in messages:
            if message.identity in taken:
                continue
            count = len(message.receipts)
            if pending and pending + count > self._max_pending:
                break
            pending += count
            taken[message.identity] = message
        return list(taken.values())


def identity_of(
    stream: str,
    created: datetime | None,
    message_id: str | None,
    sequence: int,
    stored_at: datetime,
) -> bytes:
    """Return the digest that identifies a message.

    A message id identifies a message of its stream. Without one, sequence number and time do: no
    other message has both, not even one of a stream that was deleted and made again.

    Args:
        stream: the name of the stream.
        created: when the stream was made; None if the server does not tell.
        message_id: the publisher's id of the message; None without one.
        sequence: the sequence number in the stream.
        stored_at: when the stream stored the message.
    """
    if message_id is not None:
        parts = ["id", stream, created.isoformat() if created else "", message_id]
    else:
        parts = ["sequence", stream, str(sequence), stored_at.isoformat()]
    return hashlib.blake2b(json.dumps(parts).encode("ascii"), digest_size=_DIGEST_SIZE).digest()
