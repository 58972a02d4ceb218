"""A whole stack for tests: `acoustid up` on a new directory, without rate limits."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.request import Request, urlopen

from cli.exit_status import ExitStatus
from cli.stack.data_directory import DataDir
from cli.stack.servers import postgres_directory
from cli.stack.servers.ports import free_port

NO_LIMITS = {f"ACOUSTID_CLUSTER_RATE_LIMITER_{tier}_LIMIT": "0" for tier in ("GLOBAL", "APP", "IP")}
ENVIRON = {**NO_LIMITS, "ACOUSTID_FEATURES_ASYNC_API": "true"}


class WholeStack:
    """A running stack.

    Attributes:
        data: its data directory.
        environ: environment variables of the stack and its commands.
        process: more arguments of `subprocess.run` for them, such as `user` and `cwd`.
        client: the key of an application.
        user: the key of a user.
    """

    def __init__(
        self, data: DataDir, environ: Mapping[str, str], process: Mapping[str, Any]
    ) -> None:
        self.data = data
        self.environ = environ
        self.process = process
        self._state: dict[str, Any] = {}
        self.client = self._key("--application")
        self.user = self._key("--account")

    def acoustid(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the stack."""
        return acoustid(*arguments, data=self.data, environ=self.environ, process=self.process)

    def status(self) -> dict[str, Any]:
        """Return the output of `acoustid status --json`, with passwords."""
        answer = self.acoustid("status", "--json", "--show-passwords")
        assert answer.returncode in {ExitStatus.OK, ExitStatus.FAILED}, answer.stderr
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    def port(self, role: str) -> int:
        """Return the port of a process."""
        self._state = self._state or self.status()
        return next(int(p["port"]) for p in self._state["processes"] if p["role"] == role)

    def index_is_current(self) -> bool:
        """Return whether the index has every imported fingerprint."""
        index = self.status()["index"]
        return bool(index["position"] == index["database_position"])

    def flower(self, path: str, password: str) -> Any:
        """Return Flower's reply to a GET request."""
        login = base64.b64encode(f"acoustid:{password}".encode()).decode()
        url = f"http://127.0.0.1:{self.port('flower')}{path}"
        with urlopen(
            Request(url, headers={"Authorization": f"Basic {login}"}), timeout=30
        ) as reply:
            return json.load(reply)

    def _key(self, kind: str) -> str:
        made = self.acoustid("keys", "create", kind, "Tests")
        assert made.returncode == 0, made.stderr
        return str(json.loads(made.stdout)["key"])


S = TypeVar("S", bound=WholeStack)


@contextmanager
def running_stack(
    data: DataDir,
    kind: type[S],
    *,
    sample: bool = False,
    process: Mapping[str, Any] | None = None,
    **environ: str,
) -> Iterator[S]:
    """Run a stack without rate limits and with background lookups; stop it at the end.

    Args:
        data: its data directory.
        kind: the class of the object that is returned.
        sample: whether it loads the sample catalogue.
        process: more arguments of `subprocess.run` for its commands, such as `user` and `cwd`.
        environ: more environment variables.
    """
    contents = "--sample" if sample else "--no-sample"
    options = ("--detach", contents, "--workers", "1", "--port", "0")
    try:
        flower = ("--flower-port", str(free_port()))
        environ = {**ENVIRON, **environ}
        started = acoustid("up", *options, *flower, data=data, environ=environ, process=process)
        assert started.returncode == 0, started.stderr
        yield kind(data, environ, process or {})
    finally:
        acoustid("down", data=data)
        postgres_directory.delete_external(data.root)


def acoustid(
    *arguments: str,
    data: DataDir,
    environ: Mapping[str, str] | None = None,
    process: Mapping[str, Any] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command, without the caller's configuration, and wait for its end."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("ACOUSTID_")}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--data-dir", str(data.root)],
        check=False,
        capture_output=True,
        text=True,
        env={**own, **(environ or {})},
        timeout=170,
        **(process or {}),
    )
