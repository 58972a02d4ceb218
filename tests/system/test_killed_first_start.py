"""The first start is killed after several of its lines; the next start goes on each time."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from cli.stack.data_directory import DataDir
from cli.stack.servers import postgres_directory
from tests.support.polling import eventually
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import acoustid

OPTIONS = ("--port", "0", "--flower-port", "0", "--workers", "1")
LINES = (
    "postgres answers",
    "preparing the databases",
    "starting the API and the workers",
    "loading the sample",
)
SAMPLE_SIZE = 60


@pytest.fixture
def data() -> Iterator[DataDir]:
    """A data directory that does not exist yet; its stack is stopped at the end."""
    with temporary_folder() as folder:
        made = DataDir.at(folder / "data")
        yield made
        acoustid("down", data=made)
        postgres_directory.delete_external(made.root)


def kill_after(line: str, data: DataDir) -> None:
    """Start a stack, and kill the supervisor and PostgreSQL when it prints a line."""
    environ = {key: text for key, text in os.environ.items() if not key.startswith("ACOUSTID_")}
    command = [sys.executable, "-u", "-m", "cli.main", "up", *OPTIONS, "--data-dir"]
    with subprocess.Popen(
        [*command, str(data.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ,
    ) as process:
        assert process.stdout
        printed = []
        for each in process.stdout:
            printed.append(each)
            if line in each or each.endswith(" ready\n"):
                break
        children = psutil.Process(process.pid).children()
        servers = [child for child in children if child.name() == "postgres"]
        for pid in (process.pid, *(server.pid for server in servers)):
            os.kill(pid, signal.SIGKILL)
    assert line in printed[-1], printed


def partial_files(data: DataDir) -> list[Path]:
    """Return the partial files in the data directory and in that of PostgreSQL."""
    place = data.root / postgres_directory.PATH_FILE
    folders = [data.root, *([Path(place.read_text().strip())] if place.exists() else [])]
    return [
        path
        for folder in folders
        for path in folder.iterdir()
        if path.name.startswith(".") or path.name.endswith(".new") or "partial" in path.name
    ]


def status(data: DataDir) -> dict[str, Any]:
    """Return the output of `acoustid status --json`, with passwords."""
    found: dict[str, Any] = json.loads(
        acoustid("status", "--json", "--show-passwords", data=data).stdout
    )
    return found


@pytest.mark.timeout(400)
def test_the_next_start_goes_on_after_each_kill(data: DataDir) -> None:
    for line in LINES:
        kill_after(line, data)
    started = acoustid("up", "--detach", *OPTIONS, data=data)
    assert started.returncode == 0, started.stderr
    state = status(data)
    assert state["submissions"]["imported"] == SAMPLE_SIZE
    assert state["catalogue"]["tracks"] == SAMPLE_SIZE
    # Workers report the position every 2 s.
    assert eventually(lambda: status(data)["index"]["position"] == SAMPLE_SIZE)
    with psycopg2.connect(state["databases"]["app"]) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM account WHERE name = 'Sample catalogue'")
        assert cursor.fetchone() == (1,)
    assert data.demo_lookup.exists()
    assert partial_files(data) == []
    assert not list(data.root.rglob("*.damaged-*"))
