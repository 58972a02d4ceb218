"""``acoustid edits`` and ``acoustid tracks show``: corrections, their log and their undo."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import Result

from cli.main import main
from pipeline.catalog.app.accounts import BOT_NAME
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.mbid_disable import disable_mbid
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.redis_state import catalogue_generation
from tests.support.catalogue.dumps import dump_catalogue
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.clients.admin_commands import Run

COMMAND = main
OTHER = UUID("5d1f0c5e-3333-4aaa-8aaa-000000000001")
NOTE = ("--note", "another song")


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    return Importer(databases, index_path)


@pytest.fixture
def gid(importer: Importer) -> UUID:
    """The track 1 with the fingerprints 1 and 2, and the text 1."""
    for seed, fields in ((1, {"meta": {"track": "Harbour", "year": 1999}}), (2, {"mbid": OTHER})):
        receipt = importer.receipt(near_copy(fingerprint(1), seed, 0.05), **fields)
        [status] = importer.run(receipt)
    assert status.track_gid is not None
    return status.track_gid


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def generation(settings: Settings) -> bytes | None:
    with connect(settings.redis) as client:
        return catalogue_generation.read(client)


def test_each_edit_and_its_undo(
    run: Run, gid: UUID, importer: Importer, settings: Settings
) -> None:
    edits = [
        ("unlink-mbid", gid, MBID),
        ("link-mbid", 1, uuid4()),
        ("remove-fingerprint", 2),
        ("remove-text", gid, 1),
        ("split-track", gid, 2),
    ]
    before = dump_catalogue(importer.databases)
    for number, arguments in enumerate(edits):
        old = generation(settings)
        made = printed(run("edits", *arguments, *NOTE))
        assert made["edit_id"] == 2 * number + 1
        assert generation(settings) != old
        assert dump_catalogue(importer.databases) != before
        printed(run("edits", "undo", made["edit_id"], *NOTE))
        assert dump_catalogue(importer.databases) == before
    undo, split, *_ = printed(run("edits", "list", "--limit", 2, "--track", gid))
    assert (undo["kind"], split["kind"], split["undone_by"]) == ("undo", "split_track", 10)
    assert undo["account"]["name"] == BOT_NAME
    assert undo["note"] == "another song"
    assert len(printed(run("edits", "list"))) == 10


def test_an_edit_is_shown_with_its_rows(run: Run, gid: UUID, importer: Importer) -> None:
    account = ("--account", importer.account_id)
    printed(run("edits", "unlink-mbid", gid, MBID, *NOTE, *account))
    shown = printed(run("edits", "show", 1))
    assert shown["account"] == {"id": importer.account_id, "name": "Tester"}
    [change] = shown["changes"]
    assert (change["table"], change["id"]) == ("track_mbid", 1)
    assert (change["before"]["disabled"], change["after"]["disabled"]) == (False, True)
    printed(run("edits", "remove-fingerprint", 1, *NOTE))
    [change] = printed(run("edits", "show", 2))["changes"]
    assert (change["before"]["id"], change["after"]) == (1, None)
    assert "words" not in change["before"]
    printed(run("edits", "undo", 2, *NOTE))
    assert printed(run("edits", "show", 3))["undoes"] == 2


def test_refused_edits_are_errors(run: Run, gid: UUID) -> None:
    refused = {
        ("unlink-mbid", gid, uuid4(), *NOTE): "has no link to MBID",
        ("unlink-mbid", gid, MBID, *NOTE, "--account", "99"): "there is no account 99",
        ("undo", "99", *NOTE): "there is no edit 99",
        ("list", "--track", "99"): "there is no track 99",
        ("split-track", gid, "1", "2", *NOTE): "but not all",
        ("remove-fingerprint", "99", *NOTE): "there is no fingerprint 99",
    }
    for arguments, reason in refused.items():
        result = run("edits", *arguments)
        assert (result.exit_code, reason in result.output) == (1, True), result.output
    for note in ((), ("--note", " ")):
        assert run("edits", "unlink-mbid", gid, MBID, *note).exit_code == 2


def test_a_track_is_shown_with_its_history(run: Run, gid: UUID, importer: Importer) -> None:
    [status] = importer.run(importer.receipt(fingerprint(50), 230, mbid=OTHER))
    assert status.track_gid is not None
    merge_tracks(importer.databases, gid, [status.track_gid])
    disable_mbid(importer.databases, OTHER, "gone")
    printed(run("edits", "unlink-mbid", gid, MBID, *NOTE))
    printed(run("edits", "undo", 1, *NOTE))
    shown = printed(run("tracks", "show", status.track_gid, "--json"))
    assert (shown["id"], shown["gid"], shown["lengths"]) == (1, str(gid), [200, 230])
    [first, *_] = shown["fingerprints"]
    assert (len(shown["fingerprints"]), first["id"], first["length"]) == (3, 1, 200)
    assert {row["mbid"]: (row["sources"], row["disabled"]) for row in shown["mbids"]} == {
        str(MBID): (1, False),
        str(OTHER): (2, True),
    }
    assert shown["texts"] == [{"id": 1, "sources": 1, "track": "Harbour", "year": 1999}]
    assert [each["gid"] for each in shown["merged_tracks"]] == [str(status.track_gid)]
    assert [each["kind"] for each in shown["history"]] == [
        "merge",
        "disable link",
        "unlink_mbid",
        "undo",
    ]
    assert shown["history"][2]["undone_by"] == 2
    assert shown["history"][2]["changed"] == [f"MBID {MBID}"]
    text = run("tracks", "show", 1).output
    for part in (
        str(gid),
        "200 s, 230 s",
        "disable link",
        "track=Harbour, year=1999",
        "another song",
    ):
        assert part in text
    assert "there is no track 99" in run("tracks", "show", 99).output


def test_edits_and_history_of_a_merged_track_are_those_of_the_target(
    run: Run, gid: UUID, importer: Importer
) -> None:
    merged = [importer.run(importer.receipt(fingerprint(seed)))[0].track_gid for seed in (50, 51)]
    first, target = (each for each in merged if each)
    merge_tracks(importer.databases, gid, [first])
    printed(run("edits", "unlink-mbid", gid, OTHER, *NOTE))
    merge_tracks(importer.databases, target, [gid])
    printed(run("edits", "unlink-mbid", target, MBID, *NOTE))
    for each in (first, gid, target):
        assert [edit["id"] for edit in printed(run("edits", "list", "--track", each))] == [2, 1]
        history = printed(run("tracks", "show", each, "--json"))["history"]
        [redirect] = [entry["changed"] for entry in history if entry["kind"] == "merge"]
        assert sorted(redirect) == sorted([f"track {gid}", f"track {first}"])


def test_links_that_a_periodic_task_disabled_are_listed_until_they_are_enabled(
    run: Run, gid: UUID, importer: Importer
) -> None:
    disable_mbid(importer.databases, OTHER, "gone")
    [found] = printed(run("tracks", "disabled-links"))
    assert (found["track"], found["mbid"], found["sources"], found["note"]) == (
        str(gid),
        str(OTHER),
        1,
        "gone",
    )
    printed(run("edits", "link-mbid", gid, OTHER, *NOTE))
    assert printed(run("tracks", "disabled-links")) == []
    assert not any(row.disabled for row in importer.rows(fp.track_mbid))
    printed(run("edits", "unlink-mbid", gid, OTHER, *NOTE))
    assert printed(run("tracks", "disabled-links")) == []
