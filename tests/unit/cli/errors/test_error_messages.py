"""The messages and exit statuses of errors, whichever command raises them."""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
import nats.errors
import pytest
from click.testing import CliRunner, Result

from cli import error_messages
from cli.error_messages import explain
from cli.exit_status import ExitStatus
from cli.main import main
from pipeline.index.errors import FingerprintIndexError
from pipeline.settings.load import ConfigError

SECRET = "hush-hush"

RunFailing = Callable[..., Result]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> RunFailing:
    """Return a function that runs a command whose work raises an error."""

    def run(error: BaseException, *options: str) -> Result:
        def work(_path: Path) -> None:
            raise error

        monkeypatch.setattr("cli.commands.service.config.read_settings", work)
        return CliRunner().invoke(main, [*options, "config", "check"])

    return run


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FileNotFoundError(2, "No such file or directory", "/x/y"), "/x/y: No such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "not valid UTF-8"),
        (
            json.JSONDecodeError("Expecting value", "[1,", 3),
            "not valid JSON: Expecting value: line 1",
        ),
        (EOFError("Compressed file ended"), "a file is cut or damaged: Compressed file ended"),
        (ConfigError(["[redis] prot: unknown"]), "[redis] prot: unknown"),
        (FingerprintIndexError("the index is odd"), "the index is odd"),
        (MemoryError(), "there is not enough memory"),
        (nats.errors.NoServersError(), "NATS: "),
        (RecursionError(), "nested too deeply"),
    ],
)
def test_an_error_is_one_message(fails: RunFailing, error: BaseException, text: str) -> None:
    result = fails(error)
    assert result.exit_code == ExitStatus.FAILED
    assert result.stdout == ""
    assert text in result.stderr
    assert len(result.stderr.splitlines()) <= 2


def test_a_defect_shows_its_place_but_not_its_text(fails: RunFailing) -> None:
    """The text may contain a secret."""
    result = fails(KeyError(SECRET))
    assert result.exit_code == ExitStatus.FAILED
    assert f"unexpected KeyError at {__file__}:" in result.stderr
    assert SECRET not in result.output
    assert "--traceback" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("error", [KeyError("x"), click.ClickException("refused"), OSError(2, "x")])
def test_the_traceback_is_printed_on_request(
    fails: RunFailing, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Traceback (most recent call last)" in fails(error, "--traceback").stderr
    monkeypatch.setenv("ACOUSTID_TRACEBACK", "1")
    result = fails(error)
    assert "Traceback (most recent call last)" in result.stderr
    assert result.exit_code == ExitStatus.FAILED


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_has_its_own_status(fails: RunFailing, error: BaseException) -> None:
    result = fails(error)
    assert result.exit_code == ExitStatus.INTERRUPTED
    assert result.stderr == "Interrupted.\n"


def test_no_answer_to_a_question_is_an_error(fails: RunFailing) -> None:
    error = click.Abort()
    error.__context__ = EOFError()
    result = fails(error)
    assert result.exit_code == ExitStatus.FAILED
    assert "before the question was answered" in result.stderr


def test_a_closed_output_ends_quietly(fails: RunFailing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed connection is an error with a text."""
    result = fails(BrokenPipeError(32, "Broken pipe"))
    assert "Broken pipe" in result.stderr

    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as output:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stdout", output)
        with (
            pytest.raises(BrokenPipeError),
            error_messages.explained_errors(shows_traceback=False),
        ):
            raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(("module", "name"), error_messages.EXPLAINED)
def test_each_explained_class_exists(module: str, name: str) -> None:
    assert issubclass(getattr(import_module(module), name), Exception)


def test_the_cause_explains_an_error_without_a_message_of_its_own() -> None:
    error = RuntimeError("task failed")
    error.__cause__ = FileNotFoundError(2, "No such file or directory", "/x/y")
    assert explain(error) == "/x/y: No such file or directory"
    assert explain(RuntimeError("task failed")) is None


@pytest.mark.parametrize(("colour", "is_coloured"), [(None, True), ("1", False)])
def test_no_color_removes_colours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, colour: str | None, *, is_coloured: bool
) -> None:
    """Without the variable, an output that is forced to have colours has them."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "api.log").write_text("one\n")
    (logs / "beat.log").write_text("two\n")
    if colour:
        monkeypatch.setenv("NO_COLOR", colour)
    arguments = ["logs", "--data-dir", str(tmp_path)]
    assert ("\x1b[" in CliRunner().invoke(main, arguments, color=True).stdout) == is_coloured
    assert "\x1b[" not in CliRunner().invoke(main, arguments).stdout


def test_a_path_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """The message has the bytes that are not UTF-8 in a form that can be printed."""
    result = CliRunner().invoke(main, ["down", "--data-dir", str(tmp_path / "a\udcffb")])
    assert result.exit_code == ExitStatus.FAILED
    assert "not UTF-8" in result.stderr, result.stderr


def test_an_error_that_is_its_own_cause_has_a_message() -> None:
    error = RuntimeError()
    error.__cause__ = error
    assert explain(error) is None
