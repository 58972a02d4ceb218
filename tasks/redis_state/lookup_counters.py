"""Counters of lookups: two Redis hashes that front ends add to and periodic tasks empty.

The fields have the format of the public service, with times in UTC:

* ``lookups``: ``YYYY-MM-DD:HH:<application id>:<hit|miss>``
* ``ua``: ``YYYY-MM-DD:<application id>:<user agent>:<address>``, where user agent and address are
  percent-encoded except for slashes
"""

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from pipeline.catalog.app.lookup_statistics import LONGEST_USER_AGENT, LookupKind, Visitor
from pipeline.runtime.redis_counters import Counters

LOOKUPS: Final = "lookups"
USER_AGENTS: Final = "ua"

_DATE: Final = rb"([0-9]{4}-[0-9]{2}-[0-9]{2})"
_ID: Final = rb"([0-9]{1,10})"
_LOOKUP: Final = re.compile(_DATE + rb":([01][0-9]|2[0-3]):" + _ID + rb":(hit|miss)")
_USER_AGENT: Final = re.compile(_DATE + rb":" + _ID + rb":([^:]*):([^:]+)")
_NUMBER: Final = re.compile(rb"[0-9]{1,10}")
_HOUR: Final = 3600  # seconds
_LARGEST: Final = 2**31 - 1  # PostgreSQL's integer


def count_lookups(
    counters: Counters,
    application_id: int,
    hits: Iterable[bool],
    *,
    now: Callable[[], float] = time.time,
) -> None:
    """Count the lookups of one request.

    Args:
        counters: the counters to add to.
        application_id: the application of the request.
        hits: whether a lookup has results, for each lookup.
        now: returns the time in seconds since the epoch.
    """
    for hit in hits:
        counters.add(LOOKUPS, lookup_field(application_id, hit=hit, now=now))


def lookup_field(application_id: int, *, hit: bool, now: Callable[[], float] = time.time) -> str:
    """Return the field of `LOOKUPS` for a lookup in the current hour."""
    hour = _hour(int(now() // _HOUR))
    return f"{hour}:{application_id}:{'hit' if hit else 'miss'}"


def count_user_agent(
    counters: Counters,
    application_id: int,
    user_agent: str,
    address: str,
    *,
    now: Callable[[], float] = time.time,
) -> None:
    """Count one request by the user agent and the address of its client."""
    agent = _quoted(user_agent[:LONGEST_USER_AGENT])
    day, _, _ = _hour(int(now() // _HOUR)).partition(":")
    counters.add(USER_AGENTS, f"{day}:{application_id}:{agent}:{_quoted(address)}")


def parse_lookup(field: bytes) -> LookupKind | None:
    """Parse a field of `LOOKUPS`; return None if it is malformed."""
    found = _LOOKUP.fullmatch(field)
    if found is None:
        return None
    day, application_id = _parse_date(found[1]), _parse_id(found[3])
    if day is None or application_id is None:
        return None
    return LookupKind(application_id, day, int(found[2]), found[4] == b"hit")


def parse_user_agent(field: bytes) -> Visitor | None:
    """Parse a field of `USER_AGENTS`; return None if it is malformed."""
    found = _USER_AGENT.fullmatch(field)
    if found is None:
        return None
    day, application_id = _parse_date(found[1]), _parse_id(found[2])
    if day is None or application_id is None:
        return None
    return Visitor(application_id, day, _unquoted(found[3]), _unquoted(found[4]))


def parse_count(value: bytes) -> int | None:
    """Parse the value of a field; return None if it is not a count."""
    return int(value) if _NUMBER.fullmatch(value) and int(value) <= _LARGEST else None


def _parse_date(text: bytes) -> date | None:
    try:
        return date.fromisoformat(text.decode("ascii"))
    except ValueError:
        return None


def _parse_id(text: bytes) -> int | None:
    return int(text) if int(text) <= _LARGEST else None


@lru_cache(maxsize=2)  # called for each request
def _hour(number: int) -> str:
    """Return the day and hour, as ``YYYY-MM-DD:HH``, of a number of hours since the epoch."""
    return f"{datetime.fromtimestamp(number * _HOUR, UTC):%Y-%m-%d:%H}"


@lru_cache(maxsize=4096)  # most clients send many requests
def _quoted(text: str) -> str:
    # A header may contain any characters, unpaired surrogates included.
    return quote(text, errors="replace")


def _unquoted(text: bytes) -> str:
    return unquote(text.decode("utf-8", "replace"))
