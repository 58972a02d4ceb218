"""The ``acoustid`` command and its help."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, SECTIONS, LazyGroup, main
from cli.stack.servers.ports import free_port


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_text(name: str) -> None:
    answer = CliRunner().invoke(main, [name, "--help"])
    assert answer.exit_code == 0, answer.output
    assert len(answer.output.splitlines()) > 3


def test_an_unknown_command_is_an_error_with_its_name() -> None:
    answer = CliRunner().invoke(main, ["dwon"])
    assert answer.exit_code == 2
    assert "dwon" in answer.output


def test_down_does_not_import_celery_or_numpy() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from cli.main import main;"
        "CliRunner().invoke(main, ['down', '--help']);"
        "print(*{'celery', 'numpy'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert loaded.stdout.split() == []


@click.command()
def umask() -> None:
    """Print the umask of this process."""
    current = os.umask(0o022)
    os.umask(current)
    click.echo(f"{current:03o}")


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Run the service", "077"),
        ("Administer the data", "077"),
        ("Use a server", "022"),  # its files are those of the user
    ],
)
def test_only_the_owner_can_read_new_files_of_the_service(heading: str, expected: str) -> None:
    assert heading in SECTIONS
    group = LazyGroup(name="group", sections={heading: {"umask": f"{__name__}:umask"}})
    before = os.umask(0o022)
    try:
        answer = CliRunner().invoke(group, ["umask"])
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert answer.output == f"{expected}\n", answer.exception


def test_config_check_shows_the_effective_settings_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.conf").write_text("[redis]\nhost = redis.example\npassword = hush-hush\n")
    answer = CliRunner().invoke(main, ["config", "check", "--config", "mine.conf"])
    assert answer.exit_code == 0
    assert "host = redis.example" in answer.output
    assert "hush-hush" not in answer.output


def test_config_check_lists_every_problem(tmp_path: Path) -> None:
    (tmp_path / "bad.conf").write_text("[redis]\nport = many\n[databsae]\nhost = x\n")
    answer = CliRunner().invoke(main, ["config", "check", "--config", str(tmp_path / "bad.conf")])
    assert answer.exit_code == 1
    assert "port" in answer.output
    assert "databsae" in answer.output


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--workers", "0"], ["--port", "x"]])
def test_up_refuses_invalid_numbers(arguments: list[str], tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["up", "--data-dir", str(tmp_path), *arguments])
    assert answer.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["edits", "show", "abc"], "'abc' is not a whole number"),
        (["up", "--port", "x"], "'x' is not a whole number"),
        (["status", "--interval", "x"], "'x' is not a number"),
        (["edits", "list", "--limit", "0"], "0 is not in the range"),
    ],
)
def test_a_text_that_is_no_number_is_refused_in_plain_words(
    arguments: list[str], text: str
) -> None:
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 2
    assert "Invalid value for '" in answer.output
    assert text in answer.output


def test_down_without_a_stack_succeeds(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["down", "--data-dir", str(tmp_path / "none")])
    assert answer.exit_code == 0
    assert "No stack runs" in answer.output


def test_status_without_a_stack_exits_with_3(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["status", "--data-dir", str(tmp_path / "none")])
    assert answer.exit_code == 3
    assert "no stack" in answer.output.lower()


def test_the_help_lists_every_visible_command_once_under_its_heading() -> None:
    answer = CliRunner().invoke(main, ["--help"])
    assert answer.exit_code == 0, answer.output
    listed: dict[str, list[str]] = {}
    for line in answer.output.split("Options:")[1].splitlines():
        if line.endswith(":") and not line.startswith(" "):
            listed[line.removesuffix(":")] = []
        elif listed and line.startswith("  ") and line[2] != " ":
            next(reversed(listed.values())).append(line.split()[0])
    expected = {heading: list(commands) for heading, commands in SECTIONS.items()}
    expected["Run the service"].remove("ready")
    assert listed == expected


def test_an_unreachable_server_is_an_error_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACOUSTID_DATABASE_HOST", "127.0.0.1")
    monkeypatch.setenv("ACOUSTID_DATABASE_PORT", str(port))
    answer = CliRunner().invoke(main, ["migrate"])
    assert answer.exit_code == 1
    assert f'PostgreSQL: connection to server at "127.0.0.1", port {port}' in answer.output
    assert "Traceback" not in answer.output


def test_a_command_runs_with_closed_standard_streams(tmp_path: Path) -> None:
    """A file or a pipe would get the number of a closed stream."""
    code = (
        "import os\n"
        "from contextlib import suppress\n"
        "from cli.main import main\n"
        "with suppress(SystemExit):\n"  # the text of the command has no place
        f"    main(['down', '--data-dir', {str(tmp_path)!r}])\n"
        "null = os.stat(os.devnull)\n"
        "assert all(os.path.samestat(os.fstat(each), null) for each in (0, 1))\n"
    )
    shell = 'exec "$@" <&- >&-'
    command = ["sh", "-c", shell, "sh", sys.executable, "-c", code]
    subprocess.run(command, check=True)


def test_a_command_runs_with_garbage_collections() -> None:
    code = (
        "import gc; from cli.main import main; main.get_command(None, 'down');print(gc.isenabled())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"
