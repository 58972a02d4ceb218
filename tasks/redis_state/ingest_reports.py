"""Reports of the processes that take submissions from NATS: one hash in Redis.

A field of the hash is a process, by host and pid, and its value the report with a time of Redis.
A report that is older than `ALIVE_SECONDS` does not count, and the next report deletes it. A
process that ends leaves its report: a restart within that time is no fault.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, cast

import redis

from tasks.clocks.shared_clock import in_seconds
from tasks.redis_state.heartbeats import ALIVE_SECONDS

KEY: Final = "nats:ingest_reports"

# The clock of Redis judges all reports, so the clocks of the hosts do not matter.
# KEYS: the hash. ARGV: the process, the report, `ALIVE_SECONDS`.
_STORE: Final = """
local time = redis.call('TIME')
local stored = redis.call('HGETALL', KEYS[1])
for index = 1, #stored, 2 do
    if tonumber(string.match(stored[index + 1], '^[%d.]+')) < time[1] - ARGV[3] then
        redis.call('HDEL', KEYS[1], stored[index])
    end
end
redis.call('HSET', KEYS[1], ARGV[1], time[1] .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """The state of a process that takes submissions from NATS, at its last heartbeat.

    Attributes:
        host: the name of its host.
        pid: its process id.
        connected: whether it is connected to a server of NATS.
        server: the address of that server, without a login; empty without a connection.
        seconds: for how long `connected` has had its value.
        reconnects: the number of connections after the first one.
        problem: why it is not connected, or why messages wait; empty without a problem.
        setup_problem: what is wrong with the stream or the consumer; empty without a problem.
        received: the number of received messages since its start, redelivered ones included.
        accepted: the number of accepted submissions.
        refused: the number of dead letters.
        redelivered: the number of messages that were delivered before.
        retried: the number of messages that were given back to the server for a later delivery.
        waiting: the number of messages in the stream that no process has received; None if it is
            not known.
        unacknowledged: the number of messages that a process has received and not acknowledged;
            None if it is not known.
        announced: the number of announcements that it has published since its start.
        announcements: the number of announcements that wait; None if it is not known, or
            announcements are off.
        oldest_announcement: seconds for which the oldest of them has waited; None without one.
        announcement_problem: why they wait; empty without a problem.
    """

    host: str
    pid: int
    connected: bool = False
    server: str = ""
    seconds: float = 0.0
    reconnects: int = 0
    problem: str = ""
    setup_problem: str = ""
    received: int = 0
    accepted: int = 0
    refused: int = 0
    redelivered: int = 0
    retried: int = 0
    waiting: int | None = None
    unacknowledged: int | None = None
    announced: int = 0
    announcements: int | None = None
    oldest_announcement: float | None = None
    announcement_problem: str = ""


@dataclass(frozen=True, slots=True)
class IngestProcesses:
    """The living processes that take submissions from NATS.

    Attributes:
        reports: their reports, by host and pid.
        is_early: whether the asking process is too young to miss a process, which may start later.
    """

    reports: tuple[IngestReport, ...] = ()
    is_early: bool = False


def store(connection: redis.Redis, report: IngestReport) -> None:
    """Store the report of a process, and delete reports that are too old."""
    text = json.dumps(asdict(report))
    process = f"{report.host}:{report.pid}"
    connection.eval(_STORE, 1, KEY, process, text, int(ALIVE_SECONDS))


def read(connection: redis.Redis) -> tuple[IngestReport, ...]:
    """Return the reports of the last `ALIVE_SECONDS`, by host and pid."""
    with connection.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hvals(KEY)
        time_of_redis, texts = pipe.execute()
    now = in_seconds(time_of_redis)
    found = []
    for stored in cast("list[bytes]", texts):
        second, _, text = stored.partition(b" ")
        if float(second) >= now - ALIVE_SECONDS:
            found.append(_report(json.loads(text)))
    return tuple(sorted(found, key=lambda each: (each.host, each.pid)))


def remove(connection: redis.Redis, host: str, pid: int) -> None:
    """Delete the report of a process that has done its work and does not start again."""
    connection.hdel(KEY, f"{host}:{pid}")


_FIELDS: Final = frozenset(each.name for each in fields(IngestReport))


def _report(values: dict[str, Any]) -> IngestReport:
    # A process of a newer version may report more.
    return IngestReport(**{name: value for name, value in values.items() if name in _FIELDS})
