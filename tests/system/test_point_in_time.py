"""The commands of docs/backup.md that take a stack back to a point in time."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.stack.data_directory import DataDir
from cli.stack.processes.system_account import server_account
from tests.support.catalogue.recordings import recordings
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import ENVIRON, WholeStack, running_stack
from tests.system.round_trip import submit

DOCUMENT = Path(__file__).parents[2] / "docs" / "backup.md"
UP = "acoustid up --detach --no-sample --workers 1 --port 0 --flower-port 0 "


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that PostgreSQL's user can enter."""
    with temporary_folder() as made:
        yield made


def blocks() -> Sequence[str]:
    """Return the commands of the section: variables, archive, base backup, way back."""
    section = DOCUMENT.read_text("utf-8").partition("\n## Point in time\n")[2]
    return re.findall(
        r"^```sh\n(.*?)^```$", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL
    )


class Operator:
    """Runs the blocks of the page, with other folders, as the owner of PostgreSQL's files."""

    def __init__(self, folder: Path, stack: WholeStack) -> None:
        self.stack = stack
        variables, *self.commands = blocks()
        account = server_account(stack.data.root / "postgres")
        made = {"WAL": folder / "wal", "BASE": folder / "base"}
        for path in made.values():
            path.mkdir(mode=0o700)
            if account:
                os.chown(path, account.uid, account.gid)
        values = {**made, "D": stack.data.root}
        values |= {"AS": f"'runuser -u {account.name} --'"} if account else {}
        for name, value in values.items():
            variables = re.sub(rf"^{name}=.*", f"{name}={value}", variables, flags=re.MULTILINE)
        # Later blocks run while no server does, so the folder of the programs is asked for once.
        found = self._run(f'{variables}\necho "$BIN"').strip()
        self.variables = re.sub(r"^BIN=.*", f"BIN={found}", variables, flags=re.MULTILINE)

    def run(self, number: int, moment: str = "") -> str:
        """Run a block; return its output."""
        text = self.commands[number].replace("acoustid up --detach ", UP)
        return self._run(f"{self.variables}\n{text.replace('2026-12-01 12:00:00+00', moment)}")

    def _run(self, text: str) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, **self.stack.environ, "PATH": path},
            timeout=170,
            cwd="/",
        )
        log = self.stack.data.root / "postgres" / "recovery.log"
        replayed = log.read_text() if log.exists() else ""
        assert done.returncode == 0, done.stdout + done.stderr + replayed
        return done.stdout + done.stderr


def is_found(stack: WholeStack, number: int) -> bool:
    recording = recordings()[number].original
    arguments = ("--duration", str(int(recording.duration)), "--json")
    answer = stack.acoustid("lookup", recording.fingerprint, *arguments)
    return answer.returncode == 0 and bool(json.loads(answer.stdout)["results"])


def add(stack: WholeStack, number: int) -> None:
    recording = recordings()[number]
    submit(stack, recording.original.fingerprint, recording.original.duration, recording.mbid)


def test_a_stack_goes_back_to_a_point_in_time(folder: Path) -> None:
    data = DataDir.at(folder / "data")
    with running_stack(data, WholeStack, **ENVIRON) as stack:
        operator = Operator(folder, stack)
        operator.run(0)
        add(stack, 0)
        operator.run(1)
        add(stack, 1)
        time.sleep(1)
        moment = datetime.now(UTC).isoformat()
        time.sleep(1)
        add(stack, 2)
        assert is_found(stack, 2)
        operator.run(2, moment)
        assert "rebuilding the index: it belongs to another" in data.log("migrate").read_text()
        assert [is_found(stack, number) for number in range(3)] == [True, True, False]
        add(stack, 2)
        assert is_found(stack, 2)
