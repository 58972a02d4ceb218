"""``acoustid open``: the addresses of a stack."""

import webbrowser

import pytest
from click.testing import CliRunner

from cli.commands.service import open as open_command
from cli.commands.service.open import addresses, describe
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState
from cli.stack.selection import NoStackError

SELF = ProcessIdentity(1, 1.0)
API = RunningProcess("api", 1, 5000, "0.0.0.0", SELF)  # noqa: S104 - it is not bound
FLOWER = RunningProcess("flower", 1, 5555, "127.0.0.1", SELF)


def test_addresses_are_those_on_this_machine() -> None:
    assert addresses(RunState(SELF, (API, FLOWER))) == {
        "api": "http://127.0.0.1:5000",
        "docs": "http://127.0.0.1:5000/docs",
        "flower": "http://127.0.0.1:5555",
    }
    assert "flower" not in addresses(RunState(SELF, (API,)))


def test_the_password_of_flower_is_not_printed() -> None:
    [line] = [each for each in describe(addresses(RunState(SELF, (API, FLOWER)))) if "5555" in each]
    assert "user acoustid" in line


def test_a_stack_that_starts_has_no_addresses_yet() -> None:
    with pytest.raises(NoStackError, match="has not started the API yet"):
        addresses(RunState(SELF))


def test_without_a_terminal_no_browser_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chosen:
        def running(self) -> RunState:
            return RunState(SELF, (API,))

    opened: list[str] = []
    monkeypatch.setattr(open_command, "choose_own_stack", lambda _path: Chosen())
    monkeypatch.setattr(webbrowser, "open", opened.append)
    result = CliRunner().invoke(open_command.open_page, ["api", "--browser"])
    assert (result.exit_code, result.stdout) == (0, "http://127.0.0.1:5000\n")
    assert "no browser was opened" in result.stderr
    assert opened == []
    result = CliRunner().invoke(open_command.open_page, ["flower"])
    assert result.exit_code == 1
    assert "the stack runs without flower" in result.stderr
