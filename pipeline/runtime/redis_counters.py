"""Counts that a process gathers and adds to fields of Redis hashes, each of them exactly once.

What is counted must not wait for its count, so counting is an addition in memory, and a thread
sends what was gathered. When a reply fails to come, nobody knows whether the parcel arrived; it is
sent again, unchanged and under the same number, and Redis, which remembers the number of the last
one, adds it once.
"""

import threading
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from redis.exceptions import RedisError

EVERY: Final = 1.0
"""Seconds between two rounds of sending, and so the most that a killed process forgets."""

MOST: Final = 50_000
"""Fields of each hash that are kept while Redis is away; counts of further ones are dropped."""

PARCEL: Final = 2_000
"""Fields in one message, which holds Redis up for a few milliseconds."""

REMEMBERED: Final = 3600
"""Seconds for which Redis knows the number of a process's last parcel."""

CLOSING: Final = 5.0
"""Seconds that the last round may take."""

# KEYS: the process's marker, the hashes. ARGV: the parcel's number, seconds to remember it; then
# for each count the position of its hash, the field, the number to add.
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
class _Parcel:
    """What travels in one message; a number stands for the same counts for ever."""

    number: int
    counts: list[tuple[str, str, int]]  # hash, field, how many


class Counters:
    """Adds to fields of Redis hashes, from any thread and without waiting for Redis.

    The thread that sends is started with the first count.

    Args:
        client: to Redis.
        every: seconds between two rounds of sending.
        most: fields of each hash that are kept while Redis is away.
    """

    def __init__(self, client: redis.Redis, *, every: float = EVERY, most: int = MOST) -> None:
        self._script = client.register_script(_ADD)
        self._every = every
        self._most = most
        self._marker = f"counted:{uuid.uuid4().hex}"
        self._lock = threading.Lock()  # for what is gathered
        self._sending = threading.Lock()  # for the parcels
        self._gathered: dict[str, dict[str, int]] = {}
        self._dropped = 0
        self._parcels: deque[_Parcel] = deque()
        self._number = 0
        self._away = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, key: str, field: str, count: int = 1) -> None:
        """Add to a field; nothing is raised, whatever becomes of it.

        Args:
            key: the hash.
            field: its field, in ASCII.
            count: how many.
        """
        with self._lock:
            fields = self._gathered.setdefault(key, {})
            if field in fields or len(fields) < self._most:
                fields[field] = fields.get(field, 0) + count
            else:
                self._dropped += count
            self._ensure_thread()

    def flush(self) -> bool:
        """Send what was gathered until now; return whether all of it has arrived."""
        with self._sending:
            if not self._deliver():
                return False
            self._pack()
            return self._deliver()

    def close(self) -> None:
        """Send what was gathered, in one last try."""
        with self._lock:
            self._closing.set()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSING)
        if self._gathered or self._parcels:
            logger.warning("counts are lost: redis was away until the end")

    def _ensure_thread(self) -> None:
        if self._closing.is_set() or (self._thread is not None and self._thread.is_alive()):
            return
        thread = threading.Thread(target=self._run, name="counters", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning("counts wait: no thread to send them", error=str(error))
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
        """Make parcels of what was gathered."""
        with self._lock:
            gathered, self._gathered = self._gathered, {}
            dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.warning("counts were dropped: redis was away for too long", counts=dropped)
        counts = [
            (key, field, count)
            for key, fields in gathered.items()
            for field, count in fields.items()
        ]
        for start in range(0, len(counts), PARCEL):
            self._number += 1
            self._parcels.append(_Parcel(self._number, counts[start : start + PARCEL]))

    def _deliver(self) -> bool:
        """Send the parcels in order; one that may have arrived stays the first until it has."""
        while self._parcels:
            try:
                refused = self._send(self._parcels[0])
            except RedisError as error:
                self._note_outage(error)
                return False
            self._parcels.popleft()
            if refused:
                logger.warning("redis refused counts: the fields hold no numbers", fields=refused)
        if self._away:
            self._away = False
            logger.info("redis is back, and counts have arrived")
        return True

    def _send(self, parcel: _Parcel) -> int:
        """Send one parcel in one round trip; return how many of its fields Redis refused."""
        keys = list(dict.fromkeys(key for key, _, _ in parcel.counts))
        positions = {key: at for at, key in enumerate(keys, 1)}
        args: list[str | int] = [parcel.number, REMEMBERED]
        for key, field, count in parcel.counts:
            args += (positions[key], field, count)
        return int(self._script(keys=[self._marker, *keys], args=args))

    def _note_outage(self, error: RedisError) -> None:
        if not self._away:
            self._away = True
            logger.warning("redis is away: counts are kept", error=type(error).__name__)
