"""Tests of durations in options and in lines."""

import click
import pytest
from click.testing import CliRunner

from cli.commands.client.audio_seconds import AUDIO_SECONDS, whole_seconds


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
