"""The beats of the statistics: counters from Redis, the daily figures of the catalogue."""

from datetime import UTC, date, datetime

from pipeline.catalog import statistics
from tasks import folding
from tasks.celery import app
from tasks.services import services


@app.task(name="maintenance.update_lookup_stats")
def update_lookup_stats() -> int:
    """Fold the counters of lookups into SQL; return how many fields there were."""
    return folding.fold(services().redis, services().databases, folding.LOOKUPS)


@app.task(name="maintenance.update_user_agent_stats")
def update_user_agent_stats() -> int:
    """Fold the counters of user agents into SQL; return how many fields there were."""
    return folding.fold(services().redis, services().databases, folding.USER_AGENTS)


@app.task(name="maintenance.prune_folded")
def prune_folded() -> int:
    """Delete old notes of folded batches; return how many there were."""
    return folding.prune(services().redis, services().databases)


@app.task(name="maintenance.update_stats")
def update_stats() -> int:
    """Have every daily figure measured; return how many messages that takes.

    Each is a task of its own: counting a large catalogue takes a while, and no task may take long.
    """
    today = datetime.now(UTC).date().isoformat()
    for name in statistics.MEASURES:
        update_stat.delay(name, today)
    return len(statistics.MEASURES)


@app.task(name="maintenance.update_stat")
def update_stat(name: str, day: str) -> dict[str, int]:
    """Measure and store one daily figure or distribution, once a day however often it runs.

    Args:
        name: one of `pipeline.catalog.statistics.MEASURES`.
        day: whose figure it is, as ``YYYY-MM-DD``.
    """
    figures = statistics.measure(services().databases, name)
    statistics.store(services().databases, date.fromisoformat(day), figures)
    for gauge, value in statistics.gauges(figures).items():
        services().metrics.gauge(gauge, value)
    return figures
