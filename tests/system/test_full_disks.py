"""Full disks under a running stack: PostgreSQL, Valkey, the logs, the index.

Each folder is a small tmpfs, which the test fills. PostgreSQL ends at every start while its disk is
full. Requests get the right answer or a 503, and all is well within 5 s of space.
"""

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from cli.stack.data_directory import DataDir
from pipeline.fingerprint.codec import encode
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.whole_stack import WholeStack, running_stack

RECOVERY: Final = 5.0
"""Seconds of free space after which all requests are answered."""

STEADY: Final = 6
"""Replies in the second that shows the recovery."""

MAX_LAG: Final = 2.0
MBID: Final = "5d1f0c5e-1111-4aaa-8aaa-000000000001"
HEALTHY: Final = {"ok", "degraded"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a tmpfs")


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a tmpfs on a new folder during a block."""
    folder.mkdir(mode=0o711)
    options = f"size={mebibytes}m,mode=0711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Keep the disk of a folder full during a block."""
    stopped = threading.Event()
    path = folder / "fill"

    def fill() -> None:
        with path.open("wb", buffering=0) as file:
            while not stopped.wait(0.01):
                with suppress(OSError):
                    while True:
                        file.write(b"x" * 4096)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(10)
        path.unlink()


@dataclass
class Load:
    """Lookups and submissions, one after the other, and the statuses of their replies."""

    stack: WholeStack
    accepted: int = 0
    statuses: list[tuple[float, int]] = field(default_factory=list)
    slowest: float = 0.0
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests during a block."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join(30)

    def _run(self) -> None:
        while not self._stopped.wait(0.05):
            words = encode(fingerprint(100 + self.accepted))
            submission = {"user": self.stack.user, "mbid.0": MBID}
            submission |= {"fingerprint.0": words, "duration.0": "200"}
            if self._send("/v2/submit", submission) == 200:
                self.accepted += 1
            self._send("/v2/lookup", {"fingerprint": words, "duration": "200"})

    def _send(self, path: str, fields: dict[str, str]) -> int:
        body = urlencode({"client": self.stack.client, **fields}).encode()
        begun = time.monotonic()
        status, _ = reply(self.stack, path, body)
        ended = time.monotonic()
        self.statuses.append((ended, status))
        self.slowest = max(self.slowest, ended - begun)
        return status

    def require_recovery(self) -> None:
        """Check that within `RECOVERY` seconds a second begins in which all are answered."""
        freed = time.monotonic()
        eventually(lambda: self._is_well(max(freed, time.monotonic() - 1.0)), RECOVERY + 1.0)

    def _is_well(self, since: float) -> bool:
        recent = [status for at, status in list(self.statuses) if at > since]
        return len(recent) >= STEADY and set(recent) == {200}


def reply(stack: WholeStack, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """Return the status and the JSON body of the reply to a request."""
    url = f"http://127.0.0.1:{stack.port('api')}{path}"
    try:
        with urlopen(Request(url, data=body), timeout=30) as found:
            return found.status, json.load(found)
    except HTTPError as error:
        return error.code, json.load(error)


def fault_lines(stack: WholeStack) -> str:
    return "\n".join(reply(stack, "/_health")[1]["faults"])


def end_postgres(connection: Connection) -> None:
    """Write to the write-ahead log of a full disk until PostgreSQL ends."""
    connection.autocommit = True
    cursor = connection.cursor()
    with suppress(psycopg2.OperationalError):
        for _ in range(1000):
            cursor.execute("SELECT pg_logical_emit_message(true, 'tests', repeat('x', 500000))")


def test_full_disks_are_refused_honestly_and_recover() -> None:
    with ExitStack() as opened:
        base = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        base.chmod(0o711)
        root = opened.enter_context(small_disk(base / "data", 200))
        for name in ("valkey", "logs", "index"):
            opened.enter_context(small_disk(root / name, 16))
        stack = opened.enter_context(
            running_stack(DataDir.at(root), WholeStack, ACOUSTID_CLUSTER_MAX_LAG=f"{MAX_LAG:g}")
        )
        connection = psycopg2.connect(stack.status()["databases"]["app"])
        opened.callback(connection.close)
        load = Load(stack)
        with load.running():
            with filled(root):
                eventually(lambda: "database ingest refuses" in fault_lines(stack), 10)
                end_postgres(connection)
                eventually(lambda: "API keys cannot be read" in fault_lines(stack), 10)
            load.require_recovery()
            with filled(root / "valkey"):
                eventually(lambda: "it cannot write its files" in fault_lines(stack), 10)
            load.require_recovery()
            with filled(root / "logs"):
                time.sleep(1.0)
                assert reply(stack, "/_health")[1]["status"] in HEALTHY
            load.require_recovery()
            with filled(root / "index"):
                eventually(lambda: "free some space" in fault_lines(stack), 10)
                eventually(lambda: "more than [cluster] max_lag" in fault_lines(stack), 15)
            load.require_recovery()
        assert {status for _, status in load.statuses} == {200, 503}
        assert load.slowest < 12.0  # the deadline is 10 s, and the machine may be busy
        eventually(lambda: stack.status()["submissions"]["pending"] == 0, 60)
        eventually(stack.index_is_current, 30)
        submissions = stack.status()["submissions"]
        assert (submissions["imported"], submissions["failed"]) == (load.accepted, 0)
