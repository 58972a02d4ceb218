"""Counters of a process; each count is added to a field of a Redis hash exactly once.

`Counters.add` adds in memory and does not wait. A thread sends the counts in numbered messages. A
message without a reply may have been applied, so it is sent again unchanged. Redis stores the
number of the last message of each process, and applies each message once.
"""

import threading
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from redis.exceptions import RedisError

SEND_INTERVAL: Final = 1.0
"""Seconds between two messages. A killed process loses the counts of this time."""

MAX_FIELDS: Final = 50_000
"""Maximum number of fields of each hash to keep while Redis is unreachable; others are dropped."""

MESSAGE_FIELDS: Final = 2_000
"""Maximum number of fields in one message, which takes Redis a few milliseconds."""

NUMBER_KEPT: Final = 3600
"""Seconds for which Redis stores the number of a process's last message."""

CLOSE_TIMEOUT: Final = 5.0
"""Maximum seconds for the last message."""

# KEYS: the key of the process's last number; the keys of the hashes. ARGV: the message's number;
# the seconds to store it; for each count the position of its hash, the field, the number to add.
_ADD: Final = """
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
local refused = 0
for at = 3, #ARGV, 3 do
    local reply = redis.pcall('HINCRBY', KEYS[1 + ARGV[at]], ARGV[at + 1], ARGV[at + 2])
    if type(reply) == 'table' and reply.err then
        refused = refused + 1
    end
end
return refused
"""

logger = structlog.get_logger("acoustid.runtime.redis_counters")


@dataclass(frozen=True, slots=True)
class _Message:
    """Counts with a number, which is never used for other counts."""

    number: int
    counts: list[tuple[str, str, int]]  # hash, field, number to add


class Counters:
    """Adds to fields of Redis hashes, from any thread and without waiting for Redis.

    The first count starts the thread that sends.

    Args:
        client: the Redis client.
        every: seconds between two messages.
        most: maximum number of fields of each hash to keep while Redis is unreachable.
    """

    def __init__(
        self, client: redis.Redis, *, every: float = SEND_INTERVAL, most: int = MAX_FIELDS
    ) -> None:
        self._script = client.register_script(_ADD)
        self._every = every
        self._most = most
        self._marker = f"counted:{uuid.uuid4().hex}"
        self._lock = threading.Lock()  # guards the gathered counts
        self._sending = threading.Lock()  # guards the messages
        self._gathered: dict[str, dict[str, int]] = {}
        self._dropped = 0
        self._messages: deque[_Message] = deque()
        self._number = 0
        self._is_unreachable = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, key: str, field: str, count: int = 1) -> None:
        """Add to a field. Never raises an error.

        Args:
            key: the key of the hash.
            field: the name of the field, in ASCII.
            count: the number to add.
        """
        with self._lock:
            fields = self._gathered.setdefault(key, {})
            if field in fields or len(fields) < self._most:
                fields[field] = fields.get(field, 0) + count
            else:
                self._dropped += count
            self._ensure_thread()

    def flush(self) -> bool:
        """Send the gathered counts; return whether Redis confirmed all of them."""
        with self._sending:
            if not self._deliver():
                return False
            self._pack()
            return self._deliver()

    def close(self) -> None:
        """Send the gathered counts in one last attempt."""
        with self._lock:
            self._closing.set()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_TIMEOUT)
        if self._gathered or self._messages:
            logger.warning("counts are lost: redis is unreachable")

    def _ensure_thread(self) -> None:
        if self._closing.is_set() or (self._thread is not None and self._thread.is_alive()):
            return
        thread = threading.Thread(target=self._run, name="counters", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning("counts are not sent: no thread could be started", error=str(error))
        else:
            self._thread = thread

    def _run(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(self._every)
            try:
                self.flush()
            except Exception:
                logger.exception("counts could not be sent")

    def _pack(self) -> None:
        """Make messages of the gathered counts."""
        with self._lock:
            gathered, self._gathered = self._gathered, {}
            dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.warning(
                "counts were dropped: redis was unreachable for too long", counts=dropped
            )
        counts = [
            (key, field, count)
            for key, fields in gathered.items()
            for field, count in fields.items()
        ]
        for start in range(0, len(counts), MESSAGE_FIELDS):
            self._number += 1
            self._messages.append(_Message(self._number, counts[start : start + MESSAGE_FIELDS]))

    def _deliver(self) -> bool:
        """Send the messages in order. A message stays the first one until Redis confirms it."""
        while self._messages:
            try:
                refused = self._send(self._messages[0])
            except RedisError as error:
                self._note_outage(error)
                return False
            self._messages.popleft()
            if refused:
                logger.warning("redis refused counts: the fields are not numbers", fields=refused)
        if self._is_unreachable:
            self._is_unreachable = False
            logger.info("redis is reachable again: counts are sent")
        return True

    def _send(self, message: _Message) -> int:
        """Send one message; return the number of fields that Redis refused."""
        keys = list(dict.fromkeys(key for key, _, _ in message.counts))
        positions = {key: at for at, key in enumerate(keys, 1)}
        args: list[str | int] = [message.number, NUMBER_KEPT]
        for key, field, count in message.counts:
            args += (positions[key], field, count)
        return int(self._script(keys=[self._marker, *keys], args=args))

    def _note_outage(self, error: RedisError) -> None:
        if not self._is_unreachable:
            self._is_unreachable = True
            logger.warning("redis is unreachable: counts are kept", error=type(error).__name__)
