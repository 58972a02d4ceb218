"""Backups of a stack of `acoustid up`, restored into new data directories on the same machine."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cli.backup.opened import open_backup
from cli.exit_status import ExitStatus
from cli.stack.data_directory import DataDir
from cli.stack.recovery.unfinished_restore import read_unfinished
from tests.support.catalogue.recordings import recordings
from tests.support.polling import eventually
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import ENVIRON, WholeStack, acoustid, running_stack

META = "recordings+releasegroups+releases+tracks+usermeta+sources"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that PostgreSQL's user can enter, in one that others cannot list."""
    with temporary_folder() as made:
        yield made


def with_keys_of(old: WholeStack) -> type[WholeStack]:
    """Return the class of a stack that has the keys of another one."""

    class Restored(WholeStack):
        def _key(self, kind: str) -> str:
            return old.client if kind == "--application" else old.user

    return Restored


def submit(stack: WholeStack, number: int, *options: str) -> None:
    recording = recordings()[number]
    answer = stack.acoustid(
        *("submit", recording.original.fingerprint, "--client", stack.client),
        *("--user", stack.user, "--duration", str(int(recording.original.duration))),
        *("--track", f"Title {number}", "--artist", "Artist", "--mbid", recording.mbid),
        *options,
    )
    assert answer.returncode == 0, answer.stderr  # each submission was imported, if waited for


def found(stack: WholeStack, number: int) -> str:
    """Return the results of a lookup, with all metadata."""
    copy = recordings()[number].variants["mp3_96k"]
    answer = stack.acoustid(
        *("lookup", copy.fingerprint, "--duration", str(int(copy.duration))),
        *("--meta", META, "--client", stack.client, "--json"),
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def is_found(stack: WholeStack, number: int) -> bool:
    return bool(json.loads(found(stack, number))["results"])


@contextmanager
def without_imports(stack: WholeStack) -> Iterator[None]:
    """Stop the processes that import submissions, during the block."""
    [pid] = [
        each["pid"] for each in stack.status()["processes"] if each["role"] == "worker-submission"
    ]
    main = psutil.Process(pid)
    processes = [main, *main.children(recursive=True)]
    for each in processes:
        each.suspend()
    try:
        yield
    finally:
        for each in processes:
            each.resume()


def kill_at_random(backup: Path, data: DataDir) -> None:
    """Kill a restore at a random moment after its begin."""
    command = (sys.executable, "-m", "cli.main", "restore", str(backup), "--data-dir")
    process = subprocess.Popen(
        [*command, str(data.root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: read_unfinished(data) is not None)
        refused = acoustid("up", "--detach", data=data)
        assert refused.returncode == ExitStatus.FAILED
        assert "being restored into" in refused.stderr
        time.sleep(random.uniform(0, 5))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if read_unfinished(data) is not None:
        refused = acoustid("up", "--detach", data=data)
        assert refused.returncode == ExitStatus.FAILED
        assert "was interrupted: run `acoustid restore" in refused.stderr


def test_a_restored_stack_goes_on_where_the_old_one_was(folder: Path) -> None:
    with running_stack(DataDir.at(folder / "old"), WholeStack, **ENVIRON) as old:
        submit(old, 0)
        eventually(old.index_is_current)
        answer = found(old, 0)
        assert recordings()[0].mbid in answer
        with without_imports(old):
            submit(old, 1, "--no-wait")
            made = old.acoustid("backup", str(folder / "backups"))
            assert made.returncode == 0, made.stderr
            file = old.acoustid("backup", "--to", str(folder / "backup.tar"))
            assert file.returncode == 0, file.stderr
        for path in (Path(made.stdout.strip()), folder / "backup.tar"):
            assert open_backup(path).manifest.counts.pending_submissions == 1
        running = acoustid("restore", str(folder / "backups"), data=old.data)
        assert "is not empty" in running.stderr
        kind = with_keys_of(old)  # which runs meanwhile
        goes_on(kind, folder / "backups", DataDir.at(folder / "from folder"), answer)
        killed = DataDir.at(folder / "from file")
        kill_at_random(folder / "backup.tar", killed)
        goes_on(kind, folder / "backup.tar", killed, answer)


def goes_on(kind: type[WholeStack], backup: Path, data: DataDir, answer: str) -> None:
    """Restore a backup, start the stack, and check that it has all of the old one."""
    if read_unfinished(data) is not None or not data.root.exists():
        restored = acoustid("restore", str(backup), data=data)
        assert restored.returncode == 0, restored.stderr
        assert "1 submissions are imported after the start" in restored.stdout
    with running_stack(data, kind, **ENVIRON) as new:
        assert found(new, 0) == answer
        eventually(lambda: is_found(new, 1))
        submit(new, 2)
