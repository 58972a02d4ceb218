"""Standard streams that the caller has closed, and terminals without escape sequences."""

import shlex
import subprocess
import sys

import click
import pytest

from cli.terminal import prepare_output

PROGRAM = f"{shlex.quote(sys.executable)} -m cli.main"


def run(line: str) -> "subprocess.CompletedProcess[str]":
    """Run a command line of the shell after the name of the program."""
    return subprocess.run(  # noqa: S602 - constant lines
        f"{PROGRAM} {line}", shell=True, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", ["completion bash", "--help"])
def test_a_closed_standard_output_is_an_error(command: str) -> None:
    found = run(f"{command} >&-")
    assert (found.returncode, found.stderr) == (1, "Error: standard output is closed\n")


def test_an_error_without_standard_error_is_not_written_to_standard_output() -> None:
    found = run("unknown 2>&-")
    assert (found.returncode, found.stdout, found.stderr) == (2, "", "")


def test_a_command_without_any_stream_ends() -> None:
    assert run("completion bash <&- >&- 2>&-").returncode == 1


@pytest.mark.parametrize(
    ("environ", "color"),
    [({}, None), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False), ({"TERM": "xterm"}, None)],
)
def test_colours_are_removed(environ: dict[str, str], color: bool | None) -> None:
    context = click.Context(click.Command("any"))
    prepare_output(context, environ)
    assert context.color is color
