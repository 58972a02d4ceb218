"""Thousands of messages while the process of the ingest and the NATS server are killed."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from nats.js.api import RetentionPolicy, StreamConfig
from nats.js.errors import NotFoundError

from bench.nats.server import NatsServer
from bench.stack.processes import read_run_file
from cli.stack.effective_settings import read_settings
from pipeline.catalog.fingerprint.tables import fingerprint, track, track_mbid
from pipeline.catalog.ingest.tables import outbox, submission, submission_result
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import NatsSettings
from tests.support.nats_load.jetstream import JetStream, StoredMessage
from tests.support.nats_load.messages import Keys, Message, good_messages, wrong_messages
from tests.support.polling import eventually
from tests.support.processes.whole_stack import WholeStack

GOOD: Final = 9800
WRONG: Final = 200
REDELIVERED: Final = 500
PROCESS_KILLS: Final = 10
SERVER_KILLS: Final = 3

MAX_PENDING: Final = 1000
ACK_WAIT: Final = 5
ANNOUNCED: Final = "acoustid.announcements"
SETTINGS: Final = {
    "ACOUSTID_NATS_MAX_PENDING": str(MAX_PENDING),
    "ACOUSTID_NATS_ACK_WAIT": str(ACK_WAIT),
    "ACOUSTID_NATS_PUBLISH_SUBJECT": ANNOUNCED,
}
NAMES: Final = NatsSettings()
ROLE: Final = "ingest-nats"

DUPLICATE_WINDOW: Final = 1.0
"""Seconds in which the server itself drops a repeated message id. Later ones reach the ingest."""

DEADLINE: Final = 240.0
"""Seconds for all messages."""

_CHUNK: Final = 250
_AHEAD: Final = 2500  # messages that wait in the stream
_POLL: Final = 0.05

Row = sa.Row[Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The data after all messages.

    Attributes:
        messages: the messages that were published.
        receipts: the rows of the table ``submission``.
        results: the rows of ``submission_result``, by submission id.
        tracks: the gid of each track, by its id.
        link_counts: the number of submissions of each MBID.
        fingerprint_count: the sum of the numbers of submissions of all fingerprints.
        dead_letters: the messages of the stream of the dead letters.
        dead_letter_window: seconds for which their stream ignores a repeated message id.
        announcements: the messages of the stream of the announcements.
        left: what is left in the stream, in the consumer and in the outbox.
        status: the output of ``acoustid status --json``.
        most_pending: the highest number of submissions without a final state that was seen.
        taken: messages that were delivered to a client that did not acknowledge them.
        kills: a line for each kill.
    """

    messages: Sequence[Message]
    receipts: Sequence[Row]
    results: Mapping[int, Row]
    tracks: Mapping[int, UUID]
    link_counts: Mapping[UUID, int]
    fingerprint_count: int
    dead_letters: Sequence[StoredMessage]
    dead_letter_window: float
    announcements: Sequence[StoredMessage]
    left: Mapping[str, int]
    status: Mapping[str, Any]
    most_pending: int
    taken: int
    kills: Sequence[str]


@dataclass
class Kills:
    """Kills processes at random moments of a run."""

    stack: WholeStack
    server: NatsServer
    random: Random
    killed: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def plan(self, expected: int) -> list[tuple[int, Callable[[], None]]]:
        """Return the kills, each with the number of receipts after which it happens.

        One kill of the server is in each third of the run.

        Args:
            expected: the number of receipts at the end.
        """
        at = [self.random.uniform(0.02, 0.97) for _ in range(PROCESS_KILLS)]
        third = 0.95 / SERVER_KILLS
        servers = [0.02 + third * (number + self.random.random()) for number in range(SERVER_KILLS)]
        planned = [(round(share * expected), self.kill_process) for share in at]
        planned += [(round(share * expected), self.kill_server) for share in servers]
        return sorted(planned, key=lambda kill: kill[0])

    def kill_process(self) -> None:
        """Kill the process of the ingest, at most half a second after its last start."""
        pid = eventually(self._running_process, 30)
        time.sleep(self.random.uniform(0.0, 0.5))
        os.kill(pid, signal.SIGKILL)
        self.killed.append(pid)
        self.lines.append(f"process {pid}")

    def kill_server(self) -> None:
        """Kill the NATS server, and start it again after at most 1.5 s."""
        time.sleep(self.random.uniform(0.0, 0.3))
        pid = self.server.pid
        self.server.kill()
        time.sleep(self.random.uniform(0.0, 1.5))
        self.server.start()
        self.lines.append(f"server {pid}")

    def _running_process(self) -> int | None:
        """Return the process that has not been killed yet; None while there is none."""
        found = read_run_file(self.stack.data)
        pid = found.pids.get(ROLE) if found else None
        if pid is None or pid in self.killed:
            return None
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            return pid
        return None


class Scenario:
    """Publishes all messages, kills processes, and reads the outcome.

    Args:
        stack: a stack with `SETTINGS`.
        server: its NATS server.
        jetstream: a client of this server.
        seed: of all random choices.
    """

    def __init__(
        self, stack: WholeStack, server: NatsServer, jetstream: JetStream, seed: int
    ) -> None:
        self._stack = stack
        self._jetstream = jetstream
        self._random = Random(seed)
        self._kills = Kills(stack, server, Random(seed))
        self._databases = Databases(read_settings(stack.data.config, {}), component="tests")
        self._most_pending = 0

    def run(self) -> Outcome:
        """Publish, kill, wait until all messages are handled, and return the outcome."""
        keys = Keys(self._stack.client, self._stack.user)
        messages, first = self._messages(keys)
        try:
            eventually(self._has_consumer, 30)
            taken = self._jetstream.take(NAMES.stream, NAMES.consumer, REDELIVERED // 2)
            self._publish(messages[:first]).result(60)
            self._publish_and_kill(messages, first)
            self._publish(self._sample(messages, REDELIVERED // 4)).result(60)
            self._wait_until_drained()
            return self._outcome(messages, taken.result(1))
        finally:
            self._databases.dispose()

    def _messages(self, keys: Keys) -> tuple[list[Message], int]:
        """Return all messages, and the number of those that are published before any kill.

        These contain the messages without an id, which a publisher cannot safely send again.
        """
        half = GOOD // 2
        good = good_messages(
            keys, GOOD, self._random, lists=200, copies=300, silent=20, without_id=1000
        )
        before = good[:half] + wrong_messages(keys, WRONG, first=10 * GOOD)
        self._random.shuffle(before)
        return [*before, *good[half:]], len(before)

    def _publish(self, messages: Sequence[Message]) -> Future[None]:
        return self._jetstream.publish(NAMES.submission_subject, messages)

    def _sample(self, messages: Sequence[Message], count: int) -> list[Message]:
        """Return messages with an id that were published long ago, for another publication."""
        return self._random.sample([each for each in messages[: GOOD // 4] if each.has_id], count)

    def _publish_and_kill(self, messages: Sequence[Message], published: int) -> None:
        expected = sum(len(each.submissions) for each in messages)
        plan = self._kills.plan(expected)
        again = self._sample(messages, REDELIVERED // 4)
        sending: list[Future[None]] = []
        deadline = time.monotonic() + DEADLINE
        while True:
            received, pending = self._counts()
            self._most_pending = max(self._most_pending, pending)
            if published < len(messages) and published - received < _AHEAD:
                sending.append(self._publish(messages[published : published + _CHUNK]))
                published += _CHUNK
            if again and received > expected // 2:
                sending.append(self._publish(again))
                again = []
            if plan and received >= plan[0][0]:
                plan.pop(0)[1]()
            elif received >= expected and not pending and not plan and all_done(sending):
                return
            if time.monotonic() > deadline:
                state = self._jetstream.state(NAMES.stream)
                raise AssertionError(
                    f"after {DEADLINE} s {received} of {expected} submissions are received, "
                    f"{pending} are pending, {len(plan)} kills are left; {state}"
                )
            time.sleep(_POLL)

    def _counts(self) -> tuple[int, int]:
        """Return the number of receipts, and how many of them have no final state."""
        count = sa.func.count()
        pending = count.filter(submission.c.state == "pending")
        statement = sa.select(count, pending).select_from(submission)
        with self._databases.engine("ingest").connect() as connection:
            received, left = connection.execute(statement).one()
        return received, left

    def _left(self) -> dict[str, int]:
        """Return what is left in the stream, in the consumer and in the outbox; empty for none."""
        consumer = self._jetstream.consumer(NAMES.stream, NAMES.consumer)
        left = {
            "messages": self._jetstream.state(NAMES.stream).messages,
            "not delivered": consumer.num_pending or 0,
            "not acknowledged": consumer.num_ack_pending or 0,
            "not announced": len(self._rows("ingest", sa.select(outbox.c.id))),
        }
        return {name: number for name, number in left.items() if number}

    def _wait_until_drained(self) -> None:
        deadline = time.monotonic() + 30
        while left := self._left():
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{left}; {self._jetstream.state(NAMES.stream)}; "
                    f"{self._jetstream.consumer(NAMES.stream, NAMES.consumer)}"
                )
            time.sleep(_POLL)

    def _has_consumer(self) -> bool:
        """Return whether the process has made the consumer, which it does at its start."""
        try:
            self._jetstream.consumer(NAMES.stream, NAMES.consumer)
        except NotFoundError:
            return False
        return True

    def _rows(self, database: Any, statement: sa.Select[Any]) -> Sequence[Row]:
        with self._databases.engine(database).connect() as connection:
            return connection.execute(statement).all()

    def _outcome(self, messages: Sequence[Message], taken: int) -> Outcome:
        results = self._rows("ingest", sa.select(submission_result))
        links = sa.select(track_mbid.c.mbid, sa.func.sum(track_mbid.c.submission_count))
        counts = sa.select(sa.func.sum(fingerprint.c.submission_count))
        return Outcome(
            messages=messages,
            receipts=self._rows("ingest", sa.select(submission)),
            results={row.submission_id: row for row in results},
            tracks=dict(map(tuple, self._rows("fingerprint", sa.select(track.c.id, track.c.gid)))),
            link_counts=dict(
                map(tuple, self._rows("fingerprint", links.group_by(track_mbid.c.mbid)))
            ),
            fingerprint_count=self._rows("fingerprint", counts)[0][0],
            dead_letters=self._jetstream.read(f"{NAMES.stream}_rejected"),
            dead_letter_window=self._jetstream.config(f"{NAMES.stream}_rejected").duplicate_window,
            announcements=self._jetstream.read(f"{NAMES.stream}_announcements"),
            left=self._left(),
            status=self._stack.status(),
            most_pending=self._most_pending,
            taken=taken,
            kills=self._kills.lines,
        )


def all_done(sending: Sequence[Future[None]]) -> bool:
    """Return whether all messages are stored; raise the error of one that cannot be."""
    for each in sending:
        if not each.done():
            return False
        each.result()
    return True


def make_stream(jetstream: JetStream) -> None:
    """Make the stream of the submissions as an operator may have made it."""
    jetstream.make_stream(
        StreamConfig(
            name=NAMES.stream,
            subjects=[NAMES.submission_subject, "radio.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            duplicate_window=DUPLICATE_WINDOW,
        )
    )
