"""``acoustid maintenance``: the state is stored, and each command may be repeated."""

from collections.abc import Iterator

import pytest

from cli.commands.service.maintenance import MAX_REASON, maintenance
from cli.stack.servers.ports import free_port
from pipeline.catalog.app.maintenance import find_maintenance
from pipeline.runtime.databases import Databases
from tests.support.clients.admin_commands import Run

COMMAND = maintenance


@pytest.fixture
def run(run: Run) -> Iterator[Run]:
    """Return the function that runs the command; end the maintenance after the test."""
    yield run
    assert run("off").exit_code == 0


def test_on_and_off_and_each_twice(run: Run, databases: Databases) -> None:
    def stored() -> str | None:
        with databases.engine("app").connect() as connection:
            found = find_maintenance(connection)
        return None if found is None else found.reason

    assert run().output == run("status").output == "Maintenance is off: submissions are accepted.\n"
    first = run("on", "--reason", "a new disk")
    assert first.exit_code == 0
    assert first.output.startswith("Maintenance is on since ")
    assert first.output.endswith(": submissions are refused. Reason: a new disk\n")
    assert stored() == "a new disk"
    assert run("on").output == run().output == first.output
    assert run("on", "--reason", "").output.endswith("submissions are refused.\n")
    assert stored() == ""
    for _ in range(2):
        assert run("off").output == "Maintenance is off: submissions are accepted.\n"
        assert stored() is None


def test_a_reason_is_for_on_only_and_short(run: Run) -> None:
    for arguments in (("off", "--reason", "x"), ("--reason", "x"), ("on", "--reason", "x" * 201)):
        assert run(*arguments).exit_code == 2
    assert len("x" * 201) == MAX_REASON + 1
    assert "off" in run().output


def test_an_unreachable_database_is_an_error(run: Run, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("ACOUSTID_DATABASE_PORT", str(free_port()))
        result = run("on")
    assert result.exit_code == 1
    assert "is unreachable: check that the stack runs" in result.output
