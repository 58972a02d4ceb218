"""``acoustid down`` waits long enough for the front end to drain."""

from pathlib import Path

import pytest

from cli.commands.service.down import STOP_TIME, stop_signals
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
