"""Counters in Redis and their rows in SQL, for the tests that fold counters into rows."""

from collections import Counter
from collections.abc import Mapping

import redis
import sqlalchemy as sa

from pipeline.catalog.app import accounts
from pipeline.catalog.app.tables import stats_folded, stats_lookups, stats_user_agents
from pipeline.runtime.databases import Databases

Totals = Counter[tuple[object, ...]]


def make_applications(databases: Databases, count: int) -> list[int]:
    """Return the ids of new applications."""
    with databases.engine("app").begin() as connection:
        return [accounts.create_application(connection, f"app {n}").id for n in range(count)]


def put(client: redis.Redis, key: str, counts: Mapping[str, int]) -> None:
    """Add to a hash of counters."""
    with client.pipeline() as pipe:
        for field, count in counts.items():
            pipe.hincrby(key, field, count)
        pipe.execute()


def lookups(databases: Databases) -> Totals:
    """Return the hourly counts: (date, hour, application id, hit) → count, without zeros."""
    table = stats_lookups
    found: Totals = Counter()
    for row in rows(databases, table):
        place = (str(row.date), row.hour, row.application_id)
        found[*place, True] = row.count_hits
        found[*place, False] = row.count_nohits
    return +found


def user_agents(databases: Databases) -> Totals:
    """Return the daily counts: (date, application id, user agent, address) → count."""
    return Counter(
        {
            (str(row.date), row.application_id, row.user_agent, row.ip): row.count
            for row in rows(databases, stats_user_agents)
        }
    )


def notes(databases: Databases) -> int:
    """Return the number of batches that are marked as folded."""
    return len(rows(databases, stats_folded))


def rows(databases: Databases, table: sa.Table) -> list[sa.Row[object]]:
    """Return all rows of a table of the app database."""
    with databases.engine("app").connect() as connection:
        return list(connection.execute(sa.select(table)))


def left(client: redis.Redis) -> set[str]:
    """Return the keys of Redis that do not expire."""
    return {key.decode() for key in client.scan_iter() if client.ttl(key) == -1}
