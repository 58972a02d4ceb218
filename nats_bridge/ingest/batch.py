"""Checks and stores the messages of a batch. These functions wait for databases: run in threads."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy.exc import StatementError

from api.access.keys import ApiKeys
from api.access.maintenance import MaintenanceMode
from api.http.errors import InternalError
from api.submissions.publisher import SubmissionPublisher
from nats_bridge.ingest.faults import Fault, fault_of_write, sqlstate_of
from nats_bridge.ingest.held_message import HeldMessage
from nats_bridge.ingest.ingest_counts import IngestCounts
from nats_bridge.ingest.message import CheckedMessage, RefusedItem, check_message
from nats_bridge.ingest.receipts import NatsReceipts
from pipeline.catalog.ingest.nats_messages import StoredMessage
from pipeline.runtime.statsd_metrics import Metrics
from pipeline.runtime.trace import trace

CHECK_TIME: Final = 20.0
"""Maximum seconds for the queries of the keys of a batch."""

MAX_RECEIPTS: Final = 5000
"""Maximum number of receipts of a transaction, unless a single message has more. PostgreSQL ends a
transaction that takes too long, and it would end it again at each attempt."""

logger = structlog.get_logger("acoustid.nats_bridge.ingest.batch")


@dataclass(frozen=True, slots=True)
class Written:
    """The result of `BatchWriter.write`.

    Attributes:
        stored: messages whose receipts are committed.
        refused: messages that the database refuses. Their only refused item is the whole message.
        failed: messages that the database refuses for an unknown reason.
    """

    stored: list[HeldMessage] = field(default_factory=list)
    refused: list[HeldMessage] = field(default_factory=list)
    failed: list[HeldMessage] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.stored) + len(self.refused) + len(self.failed)

    def extend(self, other: "Written") -> None:
        """Add the messages of another result."""
        self.stored.extend(other.stored)
        self.refused.extend(other.refused)
        self.failed.extend(other.failed)


class BatchWriter:
    """Checks messages, and writes their receipts.

    Args:
        receipts: the receipts in the ingest database.
        keys: returns the holders of keys.
        maintenance: the maintenance mode, during which nothing is written.
        publisher: publishes submissions for the workers.
        metrics: counts submissions.
    """

    def __init__(
        self,
        receipts: NatsReceipts,
        keys: ApiKeys,
        maintenance: MaintenanceMode,
        publisher: SubmissionPublisher,
        metrics: Metrics,
    ) -> None:
        self._receipts = receipts
        self._keys = keys
        self._maintenance = maintenance
        self._publisher = publisher
        self._metrics = metrics

    def check(self, messages: Sequence[HeldMessage]) -> list[HeldMessage]:
        """Check the messages that were not checked yet; return those that were stored before.

        A stored message is not checked again: its keys may have changed since.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: a database is unreachable.
            ServiceUnavailableError: the service is under maintenance.
        """
        deadline = time.monotonic() + CHECK_TIME
        self._maintenance.refuse(deadline)
        unchecked = [each for each in messages if each.checked is None]
        known = self._receipts.known([each.identity for each in unchecked]) if unchecked else {}
        for each in unchecked:
            if each.identity not in known:
                with trace(each.trace_id):
                    each.checked = check_message(
                        each.message.data, each.message.headers, self._keys, deadline
                    )
        return [each for each in unchecked if each.identity in known]

    def write(self, messages: Sequence[HeldMessage], counts: IngestCounts) -> Written:
        """Write the receipts of checked messages, and publish the submissions.

        A transaction has at most `MAX_RECEIPTS` of them. If a message makes the database refuse it,
        each of its messages gets its own. Messages that exceed the limit of pending submissions are
        not in the result.

        Args:
            messages: the messages, in the order of the stream.
            counts: counts the submissions.

        Raises:
            Exception: infrastructure is the cause. Some of the messages may have been stored.
        """
        result = Written()
        for part in _parts(messages):
            one = self._write_part(part, counts)
            result.extend(one)
            if len(one) < len(part):
                break  # the limit
        return result

    def _write_part(self, messages: Sequence[HeldMessage], counts: IngestCounts) -> Written:
        try:
            return self._write(messages, counts)
        except Exception as error:
            if fault_of_write(error) is Fault.INFRASTRUCTURE:
                raise
            if len(messages) == 1:
                return self._refuse(messages[0], error)
            logger.warning(
                "a message makes the database refuse a batch: each message is written separately",
                messages=len(messages),
                error=type(error).__name__,
            )
        result = Written()
        for each in messages:
            one = self._write_part([each], counts)
            if not one:
                break  # the limit
            result.extend(one)
        return result

    def _write(self, messages: Sequence[HeldMessage], counts: IngestCounts) -> Written:
        stored = self._receipts.write([each.to_store() for each in messages])
        published: set[bytes] = set()
        for each in messages:
            found = stored.get(each.identity)
            if found and found.is_new and each.identity not in published:
                published.add(each.identity)
                counts.add(accepted=len(found.message.submission_ids))
                self._publish(each, found.message)
        return Written([each for each in messages if each.identity in stored])

    def _publish(self, message: HeldMessage, stored: StoredMessage) -> None:
        self._metrics.new_submissions(len(stored.submission_ids))
        with trace(message.trace_id):
            logger.debug(
                "message received",
                stream=message.origin.stream,
                sequence=message.origin.sequence,
                task=str(stored.task_id),
                submissions=stored.submission_ids,
            )
            try:
                self._publisher.add(stored.submission_ids)
            except Exception as error:
                # The receipts are committed. The workers import them when their leases end.
                logger.exception("submissions could not be published", error=type(error).__name__)

    def _refuse(self, message: HeldMessage, error: Exception) -> Written:
        with trace(message.trace_id):
            logger.error(
                "a message cannot be stored",
                stream=message.origin.stream,
                sequence=message.origin.sequence,
                error=type(error).__name__,
                sqlstate=sqlstate_of(error),  # the text may contain values of the message
                exc_info=None if isinstance(error, StatementError) else error,
            )
        if fault_of_write(error) is Fault.UNKNOWN:
            return Written(failed=[message])
        message.checked = CheckedMessage(
            refused=[RefusedItem(None, InternalError(), message.message.data)]
        )
        message.dead_letters = 0
        return Written(refused=[message])


def _parts(messages: Sequence[HeldMessage]) -> Iterator[list[HeldMessage]]:
    """Yield messages in groups of at most `MAX_RECEIPTS` receipts, or of one message."""
    part: list[HeldMessage] = []
    size = 0
    for each in messages:
        more = len(each.to_store().receipts)
        if part and size + more > MAX_RECEIPTS:
            yield part
            part, size = [], 0
        part.append(each)
        size += more
    if part:
        yield part
