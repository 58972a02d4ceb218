"""``acoustid logs``: which logs are printed, and in which order."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.commands.service.logs import choose_logs, log_names
from cli.errors import StackError
from cli.exit_status import ExitStatus
from cli.main import main
from tests.support.polling import eventually

NAMES = ["api", "beat", "worker-index", "worker-lookup-1", "worker-lookup-2"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of a stopped stack with two logs."""
    (tmp_path / "acoustid.conf").write_text("")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "api.log").write_text(
        "2026-11-30 05:04:50,426 first\n2026-11-30 05:04:52,000 third\nTraceback of third\n"
    )
    (tmp_path / "logs" / "beat.log").write_text("2026-11-30 05:04:51,000 second\n")
    return tmp_path


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["logs", "--data-dir", str(data), *arguments])


@pytest.mark.parametrize(
    ("roles", "chosen"),
    [
        ([], NAMES),
        (["api"], ["api"]),
        (["worker-lookup-2"], ["worker-lookup-2"]),
        (["worker-lookup"], ["worker-lookup-1", "worker-lookup-2"]),
        (["lookup", "index"], ["worker-index", "worker-lookup-1", "worker-lookup-2"]),
    ],
)
def test_a_role_is_a_name_or_its_start(roles: list[str], chosen: list[str]) -> None:
    assert choose_logs(NAMES, roles) == chosen


def test_logs_of_another_user_are_not_missing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> None:  # root, who runs the tests of CI, can read each directory
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", refuse)
        with pytest.raises(StackError, match="logs belongs to another user"):
            log_names(data / "logs")


def test_an_unknown_role_names_the_others() -> None:
    with pytest.raises(click.BadParameter, match="the logs are api, beat, worker-index"):
        choose_logs(NAMES, ["ap"])


def test_lines_of_several_roles_are_ordered_by_time(data: Path) -> None:
    shown = [line.partition(" | ") for line in run(data).stdout.splitlines()]
    assert [(role.strip(), text.split()[-1]) for role, _, text in shown] == [
        ("api", "first"),
        ("beat", "second"),
        ("api", "third"),
        ("api", "third"),
    ]


def test_a_single_role_has_no_prefix(data: Path) -> None:
    assert run(data, "api", "-n", "1").stdout == "Traceback of third\n"


def test_a_directory_without_logs(tmp_path: Path) -> None:
    assert run(tmp_path).exit_code == ExitStatus.NO_STACK
    (tmp_path / "acoustid.conf").write_text("")
    assert run(tmp_path).exit_code == ExitStatus.FAILED


@pytest.mark.parametrize("roles", [[], ["index", "api"]])
def test_new_lines_and_new_logs_are_followed_until_an_interrupt(
    data: Path, roles: list[str]
) -> None:
    (data / "logs" / "worker-index-1.log").touch()
    options = ["-f", "-n", "0", "--data-dir", str(data)]
    command = [sys.executable, "-m", "cli.main", "logs", *roles, *options]
    output = data / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        numbers = iter(range(1000))

        def is_followed() -> bool:
            with (data / "logs" / "worker-index-2.log").open("a") as log:
                log.write(f"number {next(numbers)}\n")
            return len(output.read_text().splitlines()) >= 3

        eventually(is_followed)
        process.send_signal(2)
        assert process.wait(10) == ExitStatus.OK
    finally:
        process.kill()
        process.wait()
    lines = output.read_text().splitlines()
    found = [re.fullmatch(r"worker-index-2 \| number (\d+)", line) for line in lines]
    numbered = [int(each[1]) for each in found if each]
    assert numbered == list(range(numbered[0], numbered[0] + len(lines)))
