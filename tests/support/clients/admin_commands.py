"""Runs administration commands on the servers of a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from pipeline.settings.sections import Settings
from tests.support.processes.workers import write_config

Run = Callable[..., Result]


def command_runner(
    command: click.Command, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return a function that runs a command with arguments, in a folder with a configuration.

    The keyword argument `input` is the input of the user.
    """
    config = write_config(settings, folder / "acoustid.conf")
    monkeypatch.setenv("ACOUSTID_CONFIG", str(config))
    monkeypatch.chdir(folder)

    def run(*arguments: object, **options: Any) -> Result:
        return CliRunner().invoke(command, [str(each) for each in arguments], **options)

    return run
