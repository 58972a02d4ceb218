"""An index on a server: `[fingerprint_index] protocol = http`."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from bench.index.server import IndexServer
from cli.main import main
from cli.stack.servers.ports import LOOPBACK, free_port
from pipeline.catalog.advisory_locks import INDEX_LOCK, try_lock_index
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import tables
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.catalog.ingest.submission_status import task_status
from pipeline.fingerprint.query import extract_query
from pipeline.following import copies
from pipeline.following.open_index import IndexBusy, open_index, open_updater
from pipeline.following.update_index import rebuild_index, update_index
from pipeline.index import Change, Delete, Hits, Insert
from pipeline.index_http import IndexUnavailable
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import connect_metrics
from pipeline.settings.sections import FingerprintIndexSettings, Settings
from tasks import dispatch
from tasks.index import run, update
from tasks.redis_state import heartbeats
from tasks.worker_resources import WorkerResources
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.workers import point_celery_at, running_workers, write_config
from tests.unit.index.model import pairs

SEEDS = range(1, 8)


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in SEEDS), index=False)
    return importer


def found(place: FingerprintIndexSettings) -> list[list[int]]:
    with open_index(place) as index:
        hits = index.search([extract_query(fingerprint(seed)) for seed in SEEDS])
        return [each.ids.tolist() for each in hits]


ALL = [[number] for number in SEEDS]


def catch_up(place: FingerprintIndexSettings, databases: Databases) -> int:
    with open_updater(place, databases) as updater:
        return update_index(updater, databases)


def random_batches(random: np.random.Generator) -> Iterator[list[Change]]:
    """Yield batches with few ids and terms, so that they overlap."""
    for _ in range(6):
        ids = random.integers(1, 400, 150).tolist()
        yield [
            Delete(id_)
            if random.random() < 0.15
            else Insert(id_, random.integers(0, 500, random.integers(0, 60), np.uint32))
            for id_ in ids
        ]


@pytest.mark.parametrize("seed", [1, 2])
def test_local_and_http_index_give_equal_answers(
    seed: int, place: FingerprintIndexSettings, databases: Databases, index_path: Path
) -> None:
    random = np.random.default_rng(seed)
    batches = list(random_batches(random))
    local = FingerprintIndexSettings(path=index_path)
    for settings in (local, place):
        with open_updater(settings, databases) as updater:
            for number, batch in enumerate(batches, 1):
                updater.apply(batch, number * 10)
    queries = [random.integers(0, 520, random.integers(0, 90), np.uint32) for _ in range(80)]

    def ask(settings: FingerprintIndexSettings, *limits: int) -> list[Hits]:
        with open_index(settings) as index:
            assert index.position() == 60
            limit, min_score, score_pct = limits
            return index.search(queries, limit=limit, min_score=min_score, score_pct=score_pct)

    for limits in ((40, 1, 10), (40, 2, 10), (100, 5, 0), (3, 1, 100)):
        expected, answered = ask(local, *limits), ask(place, *limits)
        assert [pairs(each) for each in answered] == [pairs(each) for each in expected]
        assert any(each.ids.size for each in answered)


def test_the_index_follows_the_changelog_in_batches(
    importer: Importer, place: FingerprintIndexSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "BATCH", 3)
    assert found(place) == [[]] * len(SEEDS)
    with open_updater(place, importer.databases) as updater:
        assert update_index(updater, importer.databases, until=0.0) == 3
    assert catch_up(place, importer.databases) == 7
    assert found(place) == ALL
    assert not place.path.exists()


def test_a_killed_server_keeps_its_commits(
    importer: Importer, place: FingerprintIndexSettings, server: IndexServer
) -> None:
    with open_index(place) as index, open_updater(place, importer.databases) as updater:
        update_index(updater, importer.databases)
        server.kill()
        with pytest.raises(IndexUnavailable, match="does not accept connections"):
            index.position()
        with pytest.raises(IndexUnavailable):
            updater.apply([Delete(3)], 8)
        server.start()
        assert index.position() == 7
        updater.apply([Delete(3)], 8)
        assert index.position() == 8
    assert found(place)[2] == []


def test_a_replica_answers_while_a_server_is_away(
    importer: Importer, place: FingerprintIndexSettings
) -> None:
    catch_up(place, importer.databases)
    replicated = {"port": free_port(), "replicas": (f"{place.host}:{place.port}",)}
    assert found(place.model_copy(update=replicated)) == ALL


def test_one_process_writes_at_a_time(
    databases: Databases, place: FingerprintIndexSettings
) -> None:
    with (
        open_updater(place, databases),
        open_updater(place.model_copy(update={"name": "another"}), databases),
        pytest.raises(IndexBusy, match=place.name),
    ):
        open_updater(place, databases)
    open_updater(place, databases).close()


def test_the_lock_is_free_after_close(databases: Databases) -> None:
    """The lock does not last until the database ends the closed connection."""
    engine = databases.engine("fingerprint")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        held = sa.text(
            "SELECT count(*) FROM pg_locks"
            " WHERE (locktype, classid, objsubid) = ('advisory', :key, 2)"  # of two numbers
        ).bindparams(key=INDEX_LOCK)
        for _ in range(300):
            release = try_lock_index(engine, "fpindex")
            assert release is not None
            release()
            assert connection.scalar(held) == 0


def test_a_rebuild_removes_foreign_documents_and_applies_the_changelog(
    importer: Importer, place: FingerprintIndexSettings
) -> None:
    with open_updater(place, importer.databases) as updater:
        words = extract_query(fingerprint(2))
        updater.apply([Insert(id_, words) for id_ in (3, 9, 1000)], 6)
    assert found(place)[1] == [3, 9, 1000]

    def progress(_count: int) -> None:
        with importer.databases.engine("fingerprint").begin() as connection:
            connection.execute(sa.delete(tables.fingerprint).where(tables.fingerprint.c.id == 5))

    with open_updater(place, importer.databases) as updater:
        assert rebuild_index(updater, importer.databases, progress) == 8
    assert found(place) == [[] if number == 5 else [number] for number in SEEDS]


def test_an_index_of_another_database_is_refused_until_it_is_rebuilt(
    importer: Importer, place: FingerprintIndexSettings
) -> None:
    with open_updater(place, importer.databases) as updater:
        updater.apply([], 1000)
        with pytest.raises(ForeignIndexError, match="index rebuild"):
            update_index(updater, importer.databases)
        assert rebuild_index(updater, importer.databases, lambda _: None) == 7
    assert found(place) == ALL


@pytest.mark.usefixtures("importer")
def test_the_commands_work_on_an_http_index(
    place: FingerprintIndexSettings,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sketch = {"sketch_rate": 4, "sketch_path": tmp_path / "sketch"}
    here = settings.model_copy(update={"fingerprint_index": place.model_copy(update=sketch)})
    monkeypatch.setenv("ACOUSTID_CONFIG", str(write_config(here, tmp_path / "acoustid.conf")))

    def printed(command: str) -> str:
        done = CliRunner().invoke(main, ["index", *command.split()])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "index rebuilt: 7 fingerprints, position 7" in printed("rebuild")
    assert json.loads(printed("stats")) == {
        "position": 7,
        "documents": 7,
        "segments": 1,
        "bytes": None,
        "min_document_id": 1,
        "max_document_id": 7,
    }
    assert f"{LOOPBACK}:{place.port}: position 7, 7 documents" in printed("check")
    # The sketch index is in local files.
    assert "sketch index rebuilt: 7 fingerprints, position 7" in printed("rebuild --sketch")
    shown = json.loads(printed("stats --sketch"))
    assert (shown["position"], shown["documents"], shown["rate"]) == (7, 7, 4)
    assert shown["bytes"] > 0
    assert printed("verify --sketch") == "the sketch index is intact\n"
    monkeypatch.setenv("ACOUSTID_FINGERPRINT_INDEX_PORT", str(free_port()))
    for command in ("check", "stats", "rebuild"):
        done = CliRunner().invoke(main, ["index", command])
        assert done.exit_code == 1
        assert "does not accept connections" in done.output
    assert not place.path.exists()


def test_the_sketch_index_follows_beside_an_index_on_a_server(
    importer: Importer, place: FingerprintIndexSettings, settings: Settings, tmp_path: Path
) -> None:
    index = place.model_copy(update={"sketch_rate": 4, "sketch_path": tmp_path / "sketch"})
    store = settings.fingerprint_store.model_copy(update={"enabled": False})
    update = {"fingerprint_index": index, "fingerprint_store": store}
    here = settings.model_copy(update=update)
    with connect(here.redis) as redis:
        resources = WorkerResources(here, importer.databases, redis, connect_metrics(here.statsd))
        assert run(resources, "index@here") == (7, "")
        assert resources.sketch
        assert resources.written_sketch
        assert resources.sketch.current().recordings() == 7
        resources.index_lease.close()
        resources.written_sketch.close()


def test_workers_index_submissions_on_the_server(
    importer: Importer,
    place: FingerprintIndexSettings,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second copy joins the track of the first one, which is indexed by then."""
    here = settings.model_copy(update={"fingerprint_index": place})
    config = write_config(here, tmp_path / "acoustid.conf")
    monkeypatch.setenv("ACOUSTID_CONFIG", str(config))  # for this test alone
    point_celery_at(config, here)

    def submit(seed: int) -> None:
        task_id, ids = importer.receive([importer.receipt(fingerprint(seed))])
        dispatch.send_submissions(ids)
        eventually(lambda: (status := task_status(importer.databases, task_id)) and status.finished)

    def is_current() -> bool:
        with importer.databases.engine("fingerprint").connect() as connection:
            newest = newest_position(connection)
        with open_index(place) as index:
            return index.position() == newest

    def reported() -> dict[str, Condition | None]:
        with connect(here.redis) as client:
            found = {each.node.partition("@")[0]: each.index for each in heartbeats.reports(client)}
        assert found.pop("index", None) is None
        return found

    def is_accepted() -> bool:
        # In place of beat: without a task the index is not filled.
        update.apply_async()
        time.sleep(0.2)
        # The pool of lookup workers is solo, that of submission workers is prefork.
        return reported() == {"lookup-1": Condition.OK, "submission": Condition.OK}

    with running_workers(config, tmp_path, here):
        # Workers that have waited for others on a slow machine refuse the empty index. They give
        # its submissions back, and the next sweep comes too late.
        eventually(is_accepted)
        submit(50)
        eventually(is_current)
        tracks = importer.tracks()
        submit(50)
        submit(51)
        eventually(is_current)
        eventually(is_accepted)
    assert importer.tracks() == tracks + 1
    assert not place.path.exists()
