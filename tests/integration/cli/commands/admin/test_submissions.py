"""``acoustid submissions`` on a real database."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from cli.commands.admin.submissions import submissions
from cli.exit_status import ExitStatus
from pipeline.catalog.ingest import submissions as receipts
from pipeline.catalog.ingest.submissions import Ending
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.admin_commands import Run

COMMAND = submissions


@pytest.fixture
def ids(databases: Databases) -> list[int]:
    """Three submissions: failed, failed, imported."""
    importer = Importer(databases, Path("unused"))
    _, found = importer.receive([importer.receipt(fingerprint(seed)) for seed in (1, 2, 3)])
    with databases.engine("ingest").begin() as connection:
        endings = [Ending(found[:2], "failed", "why"), Ending(found[2:], "imported")]
        receipts.finish(connection, endings, announces=False)
    return found


def failed_ids(run: Run) -> list[int]:
    return [json.loads(line)["id"] for line in run("failed").stdout.splitlines()]


def test_only_failed_submissions_are_retried(run: Run, ids: list[int]) -> None:
    """The others are named with their states, and the status says that some were refused."""
    assert failed_ids(run) == [ids[1], ids[0]]
    done = run("requeue", ids[0], ids[2], 99999)
    assert done.exit_code == ExitStatus.PARTIAL
    assert done.stdout == "1 submissions are pending again\n"
    assert f"submission {ids[2]} is imported, not failed" in done.stderr
    assert "there is no submission 99999" in done.stderr
    assert failed_ids(run) == [ids[1]]


def test_an_id_without_a_submission_is_an_error(run: Run, ids: list[int]) -> None:
    done = run("requeue", 99999)
    assert done.exit_code == ExitStatus.FAILED
    assert done.stderr.splitlines() == [
        "there is no submission 99999",
        "Error: no submission is retried",
    ]
    assert done.stdout == ""
    assert len(failed_ids(run)) == len(ids) - 1


def test_all_failed_submissions_are_retried(run: Run, ids: list[int]) -> None:
    del ids  # they exist
    assert run("requeue", "--all").stdout == "2 submissions are pending again\n"
    none = run("failed")
    assert (none.exit_code, none.stdout) == (ExitStatus.OK, "")
    assert none.stderr == "no failed submissions\n"
    assert run("requeue", "--all").exit_code == ExitStatus.OK
    assert run("requeue").exit_code == ExitStatus.USAGE


def test_the_failed_submissions_of_a_request_are_retried(run: Run, ids: list[int]) -> None:
    task = json.loads(run("failed").stdout.splitlines()[0])["task_id"]
    assert run("requeue", "--task", task).stdout == "2 submissions are pending again\n"
    assert failed_ids(run) == []
    unknown = run("requeue", "--task", str(UUID(int=7)))
    assert unknown.exit_code == ExitStatus.FAILED
    assert f"there is no submission of task {UUID(int=7)}" in unknown.stderr
    assert run("requeue", "--task", task, "--all").exit_code == ExitStatus.USAGE
    assert run("requeue", "--task", task, ids[0]).exit_code == ExitStatus.USAGE
