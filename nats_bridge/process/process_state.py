"""The state of the process ``acoustid ingest nats``, for its heartbeat and its metrics."""

import os
import socket
import time
from dataclasses import dataclass, field
from typing import Final

from nats_bridge.announcements.announcer import AnnouncementCounts
from nats_bridge.ingest.ingest_counts import IngestCounts
from nats_bridge.link.link_state import LinkState
from pipeline.catalog.ingest.outbox import OutboxBacklog
from tasks.redis_state.ingest_reports import IngestReport

HOST: Final = socket.gethostname()


@dataclass(slots=True)
class ProcessState:
    """The state of this process. The event loop writes it, and the thread of the heartbeat reads.

    Attributes:
        link: the connection.
        ingest: the numbers of the ingest.
        announcements: the numbers of the announcements.
        setup_problem: what is wrong with the stream or the consumer; empty without a problem.
        outbox: the announcements that wait; None if it is not known, or announcements are off.
    """

    link: LinkState = field(default_factory=LinkState)
    ingest: IngestCounts = field(default_factory=IngestCounts)
    announcements: AnnouncementCounts = field(default_factory=AnnouncementCounts)
    setup_problem: str = ""
    outbox: OutboxBacklog | None = None

    def report(self) -> IngestReport:
        """Return the state at this moment."""
        link, numbers = self.link.report(), self.ingest.numbers()
        waits = "" if numbers.problem == self.setup_problem else numbers.problem
        return IngestReport(
            HOST,
            os.getpid(),
            connected=link.connected,
            server=(link.server or "") if link.connected else "",
            seconds=max(0.0, time.time() - link.since),
            reconnects=link.reconnects,
            problem=link.problem or waits,
            setup_problem=self.setup_problem,
            received=numbers.received,
            accepted=numbers.accepted,
            refused=numbers.refused,
            redelivered=numbers.redelivered,
            retried=numbers.retried,
            waiting=numbers.pending if link.connected else None,
            unacknowledged=numbers.unacknowledged if link.connected else None,
            announced=self.announcements.announced,
            announcements=self.outbox.rows if self.outbox else None,
            oldest_announcement=self.outbox.oldest_seconds if self.outbox else None,
            announcement_problem=self.announcements.problem,
        )
