"""The messages from NATS whose submissions were received, so that none is received twice.

A row is written in the transaction that writes the receipts of its message. It is deleted with
them (`finished_receipts`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.ingest.submissions import insert_requests
from pipeline.catalog.ingest.tables import nats_message
from pipeline.submission_fields import Receipt

MAX_MESSAGE_ID: Final = 255
"""Maximum number of characters of a message id that are stored. The identity has all of them."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to store.

    Attributes:
        identity: a digest of the stream and the message id, or of the stream and the sequence.
        stream: the name of the stream.
        sequence: the sequence number in the stream.
        message_id: the publisher's id of the message, if it has one.
        task_id: the task id of its submissions.
        receipts: the receipts of its submissions, at least one.
    """

    identity: bytes
    stream: str
    sequence: int
    message_id: str | None
    task_id: UUID
    receipts: Sequence[Receipt]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message whose submissions were received."""

    task_id: UUID
    submission_ids: list[int]


def find(connection: sa.Connection, identities: Iterable[bytes]) -> dict[bytes, StoredMessage]:
    """Return the stored messages by identity; unknown ones are left out."""
    columns = (nats_message.c.identity, nats_message.c.task_id, nats_message.c.submission_ids)
    statement = sa.select(*columns).where(is_one_of(nats_message.c.identity, identities))
    return {
        bytes(identity): StoredMessage(task_id, ids)
        for identity, task_id, ids in connection.execute(statement)
    }


def insert(connection: sa.Connection, messages: Sequence[NewMessage]) -> list[StoredMessage]:
    """Write messages and their receipts; return the stored messages, in order.

    Args:
        connection: a connection to the ingest database; the caller commits.
        messages: messages with different identities, none of which is stored.
    """
    if not messages:
        return []
    ids = insert_requests(connection, [(each.task_id, each.receipts) for each in messages])
    rows = [
        {
            "identity": message.identity,
            "stream": message.stream,
            "sequence": message.sequence,
            "message_id": _storable(message.message_id),
            "task_id": message.task_id,
            "submission_ids": submission_ids,
        }
        for message, submission_ids in zip(messages, ids, strict=True)
    ]
    connection.execute(sa.insert(nats_message), rows)
    return [
        StoredMessage(message.task_id, submission_ids)
        for message, submission_ids in zip(messages, ids, strict=True)
    ]


def _storable(message_id: str | None) -> str | None:
    return message_id and message_id.replace("\0", " ")[:MAX_MESSAGE_ID]
