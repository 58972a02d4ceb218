"""The help texts in `cli.command_help` are those of the commands."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.command_help import COMMAND_HELP, SUBCOMMAND_HELP
from cli.main import COMMANDS, main
from tests.support.command_help import collect

REMEDY = "run `python -m tests.support.command_help`"


def test_the_texts_are_those_of_the_commands() -> None:
    assert collect() == (COMMAND_HELP, SUBCOMMAND_HELP), REMEDY


@pytest.mark.parametrize("group", SUBCOMMAND_HELP)
@pytest.mark.parametrize("option", [[], ["--help"]], ids=["alone", "--help"])
def test_the_help_of_a_group_is_that_of_the_imported_group(
    group: str, option: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = CliRunner().invoke(main, [group, *option])
    monkeypatch.setattr("cli.main.SUBCOMMAND_HELP", {})
    imported = CliRunner().invoke(main, [group, *option])
    assert (listed.output, listed.exit_code) == (imported.output, imported.exit_code), REMEDY
    assert listed.exit_code == (0 if option else 2)


def test_a_subcommand_after_a_group_is_the_real_one() -> None:
    answer = CliRunner().invoke(main, ["keys", "create", "--help"])
    assert "--help" in answer.output
    assert "--data-dir" in answer.output
    assert CliRunner().invoke(main, ["keys", "nonsense"]).exit_code == 2


def test_help_and_version_import_no_command() -> None:
    arguments = [["--help"], ["--version"], *([name, "--help"] for name in SUBCOMMAND_HELP)]
    program = (
        "import sys; from click.testing import CliRunner; from cli.main import main;"
        f"codes = [CliRunner().invoke(main, each).exit_code for each in {arguments}];"
        "print(sum(codes), *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    failures, *modules = done.stdout.split()
    assert failures == "0"
    commands = {where.partition(":")[0] for where in COMMANDS.values()}
    assert not commands & set(modules)
    heavy = {"numpy", "sqlalchemy", "redis", "celery", "pydantic", "psutil", "structlog"}
    assert not heavy & set(modules)
