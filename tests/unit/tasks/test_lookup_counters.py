"""The fields of the counters: the front end writes them, workers parse them."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.app.lookup_statistics import LONGEST_USER_AGENT, LookupKind, Visitor
from tasks.redis_state.lookup_counters import (
    count_lookups,
    count_user_agent,
    parse_count,
    parse_lookup,
    parse_user_agent,
)

NIGHT = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))  # 23:30 in UTC
IDS = st.integers(0, 2**31 - 1)
TIMES = st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=0)
)


class Added:
    """Collects the fields that are counted."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []

    def add(self, key: str, field: str, count: int = 1) -> None:
        self.fields += [(key, field)] * count


@pytest.fixture
def added() -> Added:
    return Added()


def test_lookups_are_counted_by_hour_in_utc(added) -> None:
    count_lookups(added, 7, [True, False, True], now=NIGHT.timestamp)
    hit, miss = "2025-12-31:23:7:hit", "2025-12-31:23:7:miss"
    assert added.fields == [("lookups", hit), ("lookups", miss), ("lookups", hit)]


def test_user_agents_are_counted_by_day_in_utc(added) -> None:
    count_user_agent(added, 7, "a/1 (b:c)", "2001:db8::1", now=NIGHT.timestamp)
    assert added.fields == [("ua", "2025-12-31:7:a/1%20%28b%3Ac%29:2001%3Adb8%3A%3A1")]


def test_long_user_agents_are_cut(added) -> None:
    count_user_agent(added, 7, "é" * 9999, "::", now=NIGHT.timestamp)
    [(_, field)] = added.fields
    assert field.count("%C3%A9") == LONGEST_USER_AGENT


@given(TIMES, IDS, st.booleans())
def test_a_field_of_lookups_can_be_parsed(time, application_id, hit) -> None:
    added = Added()
    count_lookups(added, application_id, [hit], now=time.timestamp)
    [(_, field)] = added.fields
    assert parse_lookup(field.encode("ascii")) == LookupKind(
        application_id, time.date(), time.hour, hit
    )


@given(TIMES, IDS, st.text(max_size=LONGEST_USER_AGENT), st.ip_addresses().map(str))
def test_a_field_of_user_agents_can_be_parsed(time, application_id, agent, ip) -> None:
    added = Added()
    count_user_agent(added, application_id, agent, ip, now=time.timestamp)
    [(_, field)] = added.fields
    assert parse_user_agent(field.encode("ascii")) == Visitor(
        application_id, time.date(), agent, ip
    )


def test_an_unpaired_surrogate_is_replaced(added) -> None:
    count_user_agent(added, 7, "a\ud800b", "::", now=NIGHT.timestamp)
    [(_, field)] = added.fields
    visitor = parse_user_agent(field.encode("ascii"))
    assert visitor is not None
    assert visitor.user_agent == "a?b"


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"2026-01-01:07:3",
        b"2026-01-01:07:3:hits",
        b"2026-01-01:07:3:hit:",
        b"2026-01-01:24:3:hit",
        b"2026-01-01:7:3:hit",
        b"2026-13-01:07:3:hit",
        b"0000-01-01:07:3:hit",
        b"2026-01-01:07:-3:hit",
        b"2026-01-01:07:2147483648:hit",
        b"2026-01-01:07:99999999999:hit",
        b"2026-01-01:07:\xb2:hit",
        b"2026-01-01:07:3:hit\n",
    ],
)
def test_malformed_fields_of_lookups_are_not_parsed(field) -> None:
    assert parse_lookup(field) is None


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"2026-01-01:3:agent",
        b"2026-01-01:3:agent:",
        b"2026-01-01:3:a:b:127.0.0.1",
        b"2026-02-30:3:agent:127.0.0.1",
        b"2026-01-01:2147483648:agent:127.0.0.1",
        b"2026-01-01:x:agent:127.0.0.1",
    ],
)
def test_malformed_fields_of_user_agents_are_not_parsed(field) -> None:
    assert parse_user_agent(field) is None


def test_invalid_utf8_is_replaced() -> None:
    visitor = parse_user_agent(b"2026-01-01:3:\xff%ff:127.0.0.1")
    assert visitor == Visitor(3, date(2026, 1, 1), "\ufffd\ufffd", "127.0.0.1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"0", 0),
        (b"17", 17),
        (b"2147483647", 2147483647),
        (b"2147483648", None),
        (b"-1", None),
        (b"1.5", None),
        (b"", None),
        (b"many", None),
        (b"9" * 5000, None),
    ],
)
def test_counts_are_parsed(value, expected) -> None:
    assert parse_count(value) == expected
