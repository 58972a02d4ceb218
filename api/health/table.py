"""The table of health checks: one row per check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from api.health import ingest_judges, judges, musicbrainz_judge
from api.health.judges import Judge, fits, succeeded
from pipeline.settings.sections import Settings
from tasks.queues import EXCERPT, LOOKUP, names_of, queues_of


class Service(Enum):
    """A service of a front end."""

    LOOKUPS = "lookups"
    SUBMISSIONS = "submissions"


ALL: Final = frozenset(Service)
LOOKUPS: Final = frozenset({Service.LOOKUPS})
SUBMISSIONS: Final = frozenset({Service.SUBMISSIONS})
NONE: Final[frozenset[Service]] = frozenset()


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the table.

    Attributes:
        name: the name of the check in the reply.
        probe: the probe whose outcome is judged; see `api.health.probes`.
        needed_by: the services that fail while the check fails. While another service works, the
            grade is ``degraded``.
        judge: returns the state of the check and the line for the operator.
        part_of: the name of another check. If both fail, the line of this one is left out.
        in_read_only: whether ``/_health_ro`` has the check too. It has all checks of lookups.
        applies: whether an installation with these settings has the check.
    """

    name: str
    probe: str
    needed_by: frozenset[Service]
    judge: Judge
    part_of: str = ""
    in_read_only: bool = False
    applies: Callable[[Settings], bool] = lambda _: True


def _has_queue(name: str, settings: Settings) -> bool:
    return name in names_of(settings.celery)


def _replica_line(name: str) -> str:
    return (
        f"the read-only replica of the database {name} cannot be read: check that its PostgreSQL "
        "runs"
    )


# Each request needs the keys. They are cached in Redis for a minute at most.
# A submission is received when it is in the database ingest. The sweeper publishes it if Redis or
# the workers are down, and the workers write the databases app and fingerprint when they import it.
CHECKS: Final = (
    Check(
        "keys",
        "app read",
        ALL,
        fits(
            "app",
            "API keys cannot be read from the database app: check that its PostgreSQL runs, and "
            "its number of connections",
            accepts_newer=True,
        ),
        in_read_only=True,
    ),
    Check(
        "database",
        "app write",
        NONE,
        fits(
            "app",
            "the database app refuses writes, so no account is created and no submission is "
            "imported: check PostgreSQL's log and disk space, and that it is not a standby",
        ),
        part_of="keys",
    ),
    Check(
        "database_ro",
        "app replica",
        NONE,
        succeeded(_replica_line("app")),
        in_read_only=True,
        applies=lambda settings: settings.database_ro != settings.database,
    ),
    # The name in earlier versions, for programs that read it.
    Check(
        "database_ro",
        "app read",
        NONE,
        fits("app", "", accepts_newer=True),
        part_of="keys",
        in_read_only=True,
        applies=lambda settings: settings.database_ro == settings.database,
    ),
    Check(
        "database_ingest",
        "ingest write",
        SUBMISSIONS,
        fits(
            "ingest",
            "the database ingest refuses submissions: check PostgreSQL's log and disk space, and "
            "that it is not a standby",
        ),
    ),
    Check(
        "database_ingest_ro",
        "ingest replica",
        NONE,
        succeeded(_replica_line("ingest")),
        applies=lambda settings: settings.database_ingest_ro != settings.database_ingest,
    ),
    # Lookup workers read the tracks of the fingerprints that they find.
    Check(
        "tracks",
        "fingerprint replica",
        LOOKUPS,
        fits(
            "fingerprint",
            "tracks cannot be read from the database fingerprint or its read-only replica: check "
            "that its PostgreSQL runs, and its number of connections",
            accepts_newer=True,
        ),
        in_read_only=True,
    ),
    Check(
        "database_fingerprint",
        "fingerprint write",
        NONE,
        fits(
            "fingerprint",
            "the database fingerprint refuses writes, so no submission is imported: check "
            "PostgreSQL's log and disk space, and that it is not a standby",
        ),
        part_of="tracks",
    ),
    Check(
        "database_musicbrainz",
        "musicbrainz read",
        NONE,
        fits(
            "musicbrainz",
            "the database musicbrainz cannot be read, so lookups have no metadata: check that its "
            "PostgreSQL runs",
        ),
        in_read_only=True,
    ),
    Check(
        "database_musicbrainz_ro",
        "musicbrainz replica",
        NONE,
        succeeded(_replica_line("musicbrainz")),
        in_read_only=True,
        applies=lambda settings: settings.database_musicbrainz_ro != settings.database_musicbrainz,
    ),
    Check(
        "musicbrainz_replication",
        "musicbrainz position",
        NONE,
        musicbrainz_judge.replication,
        part_of="database_musicbrainz",
        applies=lambda settings: bool(settings.musicbrainz.replication_source),
    ),
    Check(
        "redis",
        "redis",
        LOOKUPS,
        succeeded(
            "Redis does not reply: check that it runs, its memory and its log; lookups need it, "
            "and submissions are imported later"
        ),
        in_read_only=True,
    ),
    # At its limit of memory, and on a full disk, Redis still replies to reads.
    Check("redis_write", "redis write", LOOKUPS, judges.redis_write, "redis", in_read_only=True),
    Check("redis_space", "redis write", NONE, judges.redis_space, part_of="redis_write"),
    # Workers and beat then store no heartbeats.
    Check("worker", "redis", NONE, judges.any_worker, part_of="redis_write", in_read_only=True),
    *(
        Check(
            f"worker_{queue.name}",
            "redis",
            LOOKUPS if queue.name == LOOKUP else NONE,
            judges.worker_of(queue),
            part_of="worker",
            in_read_only=queue.name in (LOOKUP, EXCERPT),
            applies=partial(_has_queue, queue.name),
        )
        for queue in queues_of(excerpt_queue=True)
    ),
    Check("index", "redis", NONE, judges.index, in_read_only=True),
    Check("search", "redis", LOOKUPS, judges.search, part_of="index", in_read_only=True),
    Check(
        "store",
        "redis",
        NONE,
        judges.store,
        in_read_only=True,
        applies=lambda settings: settings.fingerprint_store.enabled,
    ),
    Check(
        "sketch",
        "redis",
        NONE,
        judges.sketch,
        in_read_only=True,
        applies=lambda settings: settings.fingerprint_index.sketch_rate > 0,
    ),
    Check("disk", "redis", NONE, judges.disk),
    Check("queues", "queues", NONE, judges.stuck_queues, part_of="redis_write"),
    Check("beat", "redis", NONE, judges.beat, part_of="redis_write"),
    Check("clocks", "redis", NONE, judges.clocks, in_read_only=True),
    Check(
        "nats_ingest",
        "nats ingest",
        NONE,
        ingest_judges.ingest,
        part_of="redis_write",
        applies=lambda settings: bool(settings.nats.servers),
    ),
    Check(
        "nats_announcements",
        "nats ingest",
        NONE,
        ingest_judges.announcements,
        part_of="nats_ingest",
        applies=lambda settings: bool(settings.nats.servers and settings.nats.publish_subject),
    ),
    Check("maintenance", "maintenance", SUBMISSIONS, judges.maintenance, part_of="keys"),
)
"""Every check, in the order of the lines of a reply."""


def checks_of(settings: Settings, *, read_only: bool) -> Iterator[Check]:
    """Yield the checks of ``/_health``, or of ``/_health_ro``."""
    for check in CHECKS:
        if check.applies(settings) and (check.in_read_only or not read_only):
            yield check
