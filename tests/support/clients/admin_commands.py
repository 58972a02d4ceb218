"""Runs administration commands on the servers of a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from pipeline.settings.sections import Settings

Run = Callable[..., Result]


def config_text(settings: Settings, **redis: Any) -> str:
    """Return a configuration for the servers of the test.

    Args:
        settings: the addresses of the servers.
        redis: ``port`` replaces the port of Redis.
    """
    lines = []
    for section in ("database", "database_ingest", "redis"):
        options = getattr(settings, section)
        lines += [
            f"[{section}]",
            f"host = {options.host}",
            f"port = {redis.get('port', options.port) if section == 'redis' else options.port}",
            f"password = {options.password.get_secret_value()}",
        ]
        if section != "redis":
            lines += [f"name = {options.name}", f"user = {options.user}"]
    return "\n".join(lines)


def command_runner(
    command: click.Command, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return a function that runs a command with arguments, in a folder with a configuration.

    The keyword argument `input` is what the user types.
    """
    path = folder / "acoustid.conf"
    path.write_text(config_text(settings))
    monkeypatch.setenv("ACOUSTID_CONFIG", str(path))
    monkeypatch.chdir(folder)

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(command, arguments, **options)

    return run
