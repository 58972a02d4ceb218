"""Tests of durations in options, in files and in the output of fpcalc."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli.commands.client.audio_seconds import AUDIO_SECONDS, whole_seconds
from cli.commands.client.identify import calculate
from cli.errors import StackError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (223, 223),
        (223.89, 224),
        (222.5, 223),
        (223.0, 223),
        (0.5, 1),
        (0.1 + 0.2, None),
        ("223.49", 223),
        (" 7 ", 7),
        (32767.4, 32767),
        (32767.5, None),
        (0, None),
        (-3, None),
        (1e22, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ([3], None),
        ("3:43", None),
        ("9" * 10_000, None),
    ],
)
def test_a_duration_is_rounded_half_up(value: object, seconds: int | None) -> None:
    assert whole_seconds(value) == seconds


@click.command()
@click.option("--duration", type=AUDIO_SECONDS)
def show(duration: int | None) -> None:
    click.echo(repr(duration))


@pytest.mark.parametrize(("text", "shown"), [("223.5", "224"), ("7", "7")])
def test_the_option(text: str, shown: str) -> None:
    assert CliRunner().invoke(show, ["--duration", text]).output == f"{shown}\n"
    assert CliRunner().invoke(show, []).output == "None\n"


def test_a_wrong_option_is_named() -> None:
    result = CliRunner().invoke(show, ["--duration", "3:43"])
    assert result.exit_code == 2
    assert "3:43 is not a number of seconds from 1 to 32767" in result.output


def write_fpcalc(folder: Path, output: dict[str, Any]) -> None:
    """Write a program that prints the output of fpcalc."""
    program = folder / "fpcalc"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(output)}'\n")
    program.chmod(0o755)


@pytest.mark.parametrize(("duration", "seconds"), [(222.5, 223), (223.89, 224), (7, 7)])
def test_the_duration_of_an_audio_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duration: float, seconds: int
) -> None:
    write_fpcalc(tmp_path, {"duration": duration, "fingerprint": "AQAA"})
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert calculate(tmp_path / "song.mp3") == (seconds, "AQAA")


@pytest.mark.parametrize("output", [{"duration": 0.3}, {"duration": 40000.5}, {}])
def test_an_audio_file_without_a_valid_duration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: dict[str, Any]
) -> None:
    write_fpcalc(tmp_path, {**output, "fingerprint": "AQAA"})
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(StackError, match="is not a number of seconds from 1 to 32767"):
        calculate(tmp_path / "song.mp3")
