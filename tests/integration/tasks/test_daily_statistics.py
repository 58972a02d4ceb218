"""The daily figures, the lookups of applications, and their periodic tasks on a worker."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from pipeline.catalog.app import daily_statistics
from pipeline.catalog.app import tables as app_tables
from pipeline.catalog.app.lookup_statistics import (
    DailyLookups,
    LookupKind,
    add_lookups,
    last_days,
    lookup_stats,
)
from pipeline.catalog.fingerprint import tables as fingerprint_tables
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import Gauge
from pipeline.settings.sections import RetentionSettings, Settings
from tasks.celery import app
from tests.support.catalogue.counted_lookups import (
    left,
    lookups,
    make_applications,
    put,
    rows,
    user_agents,
)
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.workers import (
    point_celery_at,
    running_worker,
    worker_roles,
    write_config,
)

DAY = date(2026, 1, 31)
NAMES = {
    *("account.all", "account.musicbrainz", "account.openid", "account.active"),
    *("application.all", "format.all", "fingerprint.all", "track.all", "track_mbid.all"),
    *("mbid.all", "submission.all", "submission.unhandled"),
    *(f"mbid.{n}tracks" for n in range(11)),
    *(f"track.{n}mbids" for n in range(11)),
}


def measured(databases: Databases) -> dict[str, int]:
    """Return every figure."""
    return {
        name: value
        for measure in daily_statistics.MEASURES
        for name, value in daily_statistics.measure(databases, measure).items()
    }


def link(
    databases: Databases, tracks: Mapping[int, Iterable[UUID]], *, disabled: bool = False
) -> None:
    """Link tracks, numbered from 1, to MBIDs."""
    values = [
        {"track_id": track, "mbid": mbid, "submission_count": 1, "disabled": disabled}
        for track, mbids in tracks.items()
        for mbid in mbids
    ]
    with databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.insert(fingerprint_tables.track_mbid), values)


def make_tracks(databases: Databases, number: int, *, new_id: int | None = None) -> None:
    """Insert tracks without links."""
    values = [{"gid": uuid4(), "new_id": new_id} for _ in range(number)]
    with databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.insert(fingerprint_tables.track), values)


def test_an_empty_catalogue_has_every_figure(databases: Databases) -> None:
    assert measured(databases) == dict.fromkeys(NAMES, 0)


def test_each_gauge_is_a_figure(databases: Databases) -> None:
    gauges = daily_statistics.gauges(measured(databases))
    assert set(gauges) == set(get_args(Gauge))
    assert daily_statistics.gauges({"track_mbid.all": 3, "mbid.0tracks": 4}) == {
        "track_mbid_all": 3
    }


def test_each_figure_counts_its_rows(databases: Databases, settings: Settings) -> None:
    importer = Importer(databases, settings.fingerprint_index.path)
    receipts = [
        importer.receipt(fingerprint(seed), 200 + 20 * seed, format="FLAC") for seed in range(3)
    ]
    importer.run(*receipts, importer.receipt(fingerprint(9), mbid=UUID(int=9)), index=False)
    importer.receive([importer.receipt(fingerprint(8))])
    with databases.engine("app").begin() as connection:
        account = sa.insert(app_tables.account).returning(app_tables.account.c.id)
        values = {"name": "x", "apikey": "x", "mbuser": "x"}
        owner = connection.execute(account.values(values)).scalar_one()
        openid = sa.insert(app_tables.account_openid)
        connection.execute(openid, [{"openid": each, "account_id": owner} for each in "ab"])
    figures = Counter(measured(databases))
    assert +figures == {
        "account.all": 2,
        "account.musicbrainz": 1,
        "account.openid": 1,
        "account.active": 1,
        "application.all": 1,
        "format.all": 1,
        "fingerprint.all": 4,
        "track.all": 4,
        "track_mbid.all": 4,
        "mbid.all": 2,
        "submission.all": 5,
        "submission.unhandled": 1,
        "mbid.1tracks": 1,
        "mbid.3tracks": 1,
        "track.1mbids": 4,
    }


def test_distributions_count_enabled_links_of_existing_tracks_only(databases: Databases) -> None:
    make_tracks(databases, 15)
    make_tracks(databases, 1, new_id=1)
    shared, lonely = uuid4(), uuid4()
    link(databases, {track: [shared] for track in range(1, 13)})
    link(databases, {1: [uuid4() for _ in range(9)], 2: [uuid4() for _ in range(30)]})
    link(databases, {3: [lonely], 14: [shared]}, disabled=True)
    figures = Counter(measured(databases))
    assert {name: figures[name] for name in figures if "mbids" in name and figures[name]} == {
        "track.0mbids": 3,
        "track.1mbids": 10,
        "track.10mbids": 2,
    }
    assert {name: figures[name] for name in figures if "tracks" in name and figures[name]} == {
        "mbid.0tracks": 1,
        "mbid.1tracks": 39,
        "mbid.10tracks": 1,
    }
    assert figures["track.all"] == sum(figures[f"track.{n}mbids"] for n in range(11))
    assert figures["mbid.all"] == sum(figures[f"mbid.{n}tracks"] for n in range(11))


def test_a_day_has_one_row_for_each_name(databases: Databases) -> None:
    daily_statistics.store(databases, DAY, {"track.all": 1, "mbid.all": 2})
    daily_statistics.store(databases, DAY, {"track.all": 5})
    daily_statistics.store(databases, DAY + timedelta(1), {"track.all": 6})
    found = {(row.name, row.date): row.value for row in rows(databases, app_tables.stats)}
    assert found == {
        ("track.all", DAY): 5,
        ("mbid.all", DAY): 2,
        ("track.all", DAY + timedelta(1)): 6,
    }


@pytest.fixture
def asked(databases: Databases) -> tuple[list[int], Databases]:
    """Three applications with lookups around a month."""
    apps = make_applications(databases, 3)
    counts = {
        LookupKind(apps[0], DAY, 0, hit=True): 1,
        LookupKind(apps[0], DAY, 23, hit=True): 2,
        LookupKind(apps[0], DAY, 23, hit=False): 4,
        LookupKind(apps[1], DAY, 23, hit=False): 8,
        LookupKind(apps[2], DAY, 23, hit=False): 16,
        LookupKind(apps[1], DAY - timedelta(30), 5, hit=True): 32,
        LookupKind(apps[1], DAY - timedelta(31), 5, hit=True): 64,
        LookupKind(apps[1], DAY + timedelta(1), 5, hit=True): 128,
    }
    with databases.engine("app").begin() as connection:
        assert add_lookups(connection, counts) == set()
    return apps, databases


def test_lookups_are_summed_by_day(asked) -> None:
    apps, databases = asked
    with databases.engine("app").connect() as connection:
        found = lookup_stats(connection, apps[:2], DAY - timedelta(30), DAY)
        nobody = lookup_stats(connection, [], DAY - timedelta(30), DAY)
    assert found == [
        DailyLookups(DAY - timedelta(30), count_hits=32, count_nohits=0, count=32),
        DailyLookups(DAY, count_hits=3, count_nohits=12, count=15),
    ]
    assert nobody == []


def test_the_last_days_end_yesterday() -> None:
    assert last_days(30, DAY) == (date(2026, 1, 1), date(2026, 1, 30))
    assert last_days(1, DAY) == (date(2026, 1, 30), date(2026, 1, 30))


def test_the_periodic_tasks_run_on_a_worker(
    settings: Settings, databases: Databases, tmp_path: Path
) -> None:
    retention = RetentionSettings(client_addresses_days=1, receipts_days=1)
    config = write_config(
        settings.model_copy(update={"retention": retention}), tmp_path / "acoustid.conf"
    )
    point_celery_at(config, settings)
    [application_id] = make_applications(databases, 1)
    today = datetime.now(UTC).date()
    [role] = [role for role in worker_roles() if role.node == "index"]
    with connect(settings.redis) as client:
        put(client, "lookups", {f"{DAY}:12:{application_id}:hit": 3})
        put(client, "ua", {f"{DAY}:{application_id}:agent:127.0.0.1": 4})
        with running_worker(role, config, tmp_path / "log", settings):
            for name in (
                "update_lookup_stats",
                "update_user_agent_stats",
                "prune_folded",
                "prune_receipts",
                "prune_statistics",
                "prune_rotated_keys",
                "prune_outbox",
                "erase_client_addresses",
                "update_stats",
            ):
                app.signature(f"maintenance.{name}").apply_async()
            eventually(lambda: len(rows(databases, app_tables.stats)) == len(NAMES))
        assert not {key for key in left(client) if key.startswith(("lookups", "ua"))}
    assert lookups(databases) == {(str(DAY), 12, application_id, True): 3}
    assert user_agents(databases) == {(str(DAY), application_id, "agent", ""): 4}
    stored = rows(databases, app_tables.stats)
    assert {row.name: row.value for row in stored if row.value} == {
        "account.all": 1,
        "application.all": 1,
    }
    assert {row.date for row in stored} <= {today, today + timedelta(1)}
    assert "task failed" not in (tmp_path / "log").read_text()
