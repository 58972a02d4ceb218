"""``acoustid down`` waits long enough for the front end to drain, and finds the stack."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands.service.down import STOP_TIME, down, stop_signals
from cli.stack.data_directory import DataDir


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ("[api]\ndrain_time = 40\n", STOP_TIME + 40),
        ("[api]\n", STOP_TIME),
        ("[api]\ndrain_time = soon\n", STOP_TIME),  # not valid any more
    ],
)
def test_the_time_includes_the_drain_time(tmp_path: Path, config: str, seconds: float) -> None:
    data = DataDir.at(tmp_path)
    data.config.write_text(config)
    assert stop_signals(data)[0][1] == seconds


def test_a_stack_without_a_list_of_processes_is_not_reported_as_stopped(tmp_path: Path) -> None:
    """It has just begun to start."""
    with DataDir.at(tmp_path).lock():
        answer = CliRunner().invoke(down, ["--data-dir", str(tmp_path)])
    assert answer.exit_code == 1
    assert "has just begun to start" in answer.output
