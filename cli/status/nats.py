"""The processes that take submissions from NATS, for the state of a stack."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import redis

from cli.text_table import show_value
from pipeline.runtime.links.connection_limits import REDIS_STATUS
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import NatsSettings, Settings
from tasks.redis_state import ingest_reports
from tasks.redis_state.ingest_reports import IngestReport

NO_PROCESS = "no process: start one with `acoustid ingest nats`"


def nats_state(settings: Settings) -> dict[str, Any] | None:
    """Return the state of the ingest from NATS for JSON; None without servers or without Redis."""
    if not settings.nats.servers:
        return None
    try:
        with connect(settings.redis, limits=REDIS_STATUS) as client:
            reports = ingest_reports.read(client)
    except (redis.RedisError, OSError):
        return None
    return _state(settings.nats, reports)


def _state(settings: NatsSettings, reports: Iterable[IngestReport]) -> dict[str, Any]:
    return {
        "servers": list(settings.servers),
        "stream": settings.stream,
        "consumer": settings.consumer,
        "subject": settings.submission_subject,
        "dead_letter": settings.dead_letter_subject,
        "publish_subject": settings.publish_subject,
        "processes": [_process(each) for each in reports],
    }


def _process(report: IngestReport) -> dict[str, Any]:
    oldest = report.oldest_announcement
    return {
        **asdict(report),
        "seconds": round(report.seconds, 1),
        "oldest_announcement": None if oldest is None else round(oldest, 1),
    }


def describe_nats(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of text about a result of `nats_state`."""
    if not found["processes"]:
        yield NO_PROCESS
    for each in found["processes"]:
        yield f"{show_value(each['host'])} {each['pid']}: {_connection(each)}, {_counts(each)}"
        names = ("setup_problem", "problem", "announcement_problem")
        for text in dict.fromkeys(each[name] for name in names if each[name]):
            yield f"  {show_value(text)}"


def _connection(process: Mapping[str, Any]) -> str:
    seconds = f"{process['seconds']:.0f} s"
    if not process["connected"]:
        return f"not connected for {seconds}"
    number = process["reconnects"]
    again = f", {number} reconnect{'' if number == 1 else 's'}" if number else ""
    return f"connected to {show_value(process['server'])} for {seconds}{again}"


def _counts(process: Mapping[str, Any]) -> str:
    parts = [
        f"received {process['received']:,}",
        f"accepted {process['accepted']:,}",
        f"refused {process['refused']:,}",
    ]
    for name, number in (
        ("waiting", process["waiting"]),
        ("unacknowledged", process["unacknowledged"]),
        ("announcements waiting", process["announcements"]),
    ):
        if number is not None:
            parts.append(f"{name} {number:,}")
    return ", ".join(parts)
