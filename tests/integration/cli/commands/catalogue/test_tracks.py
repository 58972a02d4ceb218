"""``acoustid tracks``: merges, dry runs and suggestions."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from cli.commands.catalogue.tracks import tracks
from cli.stack.servers.ports import free_port
from pipeline.catalog.fingerprint import tables as fp
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.clients.admin_commands import Run
from tests.support.processes.workers import write_config

COMMAND = tracks


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


@pytest.fixture
def gids(importer: Importer) -> tuple[UUID, UUID]:
    """Two similar tracks with the same recording; their ids are 1 and 2."""
    words = fingerprint(1), near_copy(fingerprint(1), 2, 0.16)
    [one, other] = (importer.run(importer.receipt(each))[0].track_gid for each in words)
    assert one is not None
    assert other is not None
    return one, other


def test_merge_prints_its_changes(run: Run, gids: tuple[UUID, UUID], importer: Importer) -> None:
    target, source = gids
    done = run("merge", target, source)
    assert json.loads(done.stdout) == {
        "dry_run": False,
        "target": {"id": 1, "gid": str(target)},
        "merged": [{"id": 2, "gid": str(source)}],
        "merged_before": [],
        "fingerprints_moved": 1,
        "redirects_updated": 0,
        "links": {
            "track_mbid": {"left": 1, "removed": 1},
            "track_puid": {"left": 0, "removed": 0},
            "track_meta": {"left": 0, "removed": 0},
            "track_foreignid": {"left": 0, "removed": 0},
        },
    }
    assert {row.track_id for row in importer.rows(fp.fingerprint)} == {1}


def test_a_dry_run_prints_the_same_and_changes_nothing(
    run: Run, gids: tuple[UUID, UUID], importer: Importer
) -> None:
    tried = json.loads(run("merge", *gids, "--dry-run").stdout)
    assert {row.track_id for row in importer.rows(fp.fingerprint)} == {1, 2}
    done = json.loads(run("merge", *gids).stdout)
    assert tried == done | {"dry_run": True}


def test_a_repeated_merge_lists_tracks_merged_before(run: Run, gids: tuple[UUID, UUID]) -> None:
    run("merge", *gids)
    done = json.loads(run("merge", *gids).stdout)
    assert [each["gid"] for each in done["merged_before"]] == [str(gids[1])]
    assert (done["merged"], done["fingerprints_moved"]) == ([], 0)


@pytest.mark.usefixtures("gids")
def test_tracks_are_found_by_id(run: Run) -> None:
    assert json.loads(run("merge", 2, 1).stdout)["target"]["id"] == 2


def test_a_refused_merge_is_an_error(run: Run, gids: tuple[UUID, UUID]) -> None:
    unknown = uuid4()
    refused = run("merge", gids[0], unknown)
    assert refused.exit_code == 1
    assert f"there is no track {unknown}" in refused.output


@pytest.mark.parametrize("name", ["x", "1.5", "99999999999", "²"])
def test_an_invalid_track_is_an_error(run: Run, name: str) -> None:
    refused = run("merge", 1, name)
    assert refused.exit_code == 2
    assert "neither the gid nor the id" in refused.output


def test_suggestions_can_be_merged(run: Run, gids: tuple[UUID, UUID]) -> None:
    [pair] = json.loads(run("suggest").stdout)
    assert (pair["target"], pair["source"], pair["mbid"]) == (*map(str, gids), str(MBID))
    assert 0.4 <= pair["min_score"] < 0.75
    assert pair["max_length_difference"] == 0
    assert run("merge", pair["target"], pair["source"]).exit_code == 0
    assert json.loads(run("suggest", "--limit", 5).stdout) == []


def test_an_unreachable_database_is_an_error(run: Run, settings: Settings, tmp_path: Path) -> None:
    closed = settings.database_fingerprint.model_copy(update={"port": free_port()})
    write_config(
        settings.model_copy(update={"database_fingerprint": closed}),
        tmp_path / "acoustid.conf",
    )
    done = run("merge", 1, 2)
    assert done.exit_code == 1
    assert "PostgreSQL: connection to server" in done.output
    assert "Traceback" not in done.output
