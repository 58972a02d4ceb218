"""`acoustid restart` under load: no request is refused, reset or answered wrongly.

The front end has a drain time. It does not apply, since the new process serves the same socket.
"""

import threading
import time
from collections.abc import Iterator

import psutil
import pytest
import requests

from cli.stack.data_directory import DataDir
from cli.stack.processes import forking
from cli.stack.run_state import RunState
from tests.support.polling import eventually
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import WholeStack, acoustid, running_stack

CLIENTS = 8
RESTARTS = 2
DRAINING = {"ACOUSTID_API_DRAIN_TIME": "3"}


@pytest.fixture(scope="module")
def stack() -> Iterator[WholeStack]:
    """A whole stack."""
    with (
        temporary_folder() as folder,
        running_stack(DataDir.at(folder / "data"), WholeStack, **DRAINING) as started,
    ):
        yield started


class Load:
    """Clients that send requests without a pause: half on kept connections, half on new ones."""

    def __init__(self, url: str, expected: int, clients: int = CLIENTS) -> None:
        self._url = url
        self._expected = expected
        self._ends = threading.Event()
        self.answered = 0
        self.wrong: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(bool(number % 2),))
            for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Wait until all clients have ended."""
        self._ends.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, keep: bool) -> None:
        session = requests.Session()
        headers = {} if keep else {"Connection": "close"}
        while not self._ends.is_set():
            try:
                reply = session.post(self._url, headers=headers, timeout=30)
                if reply.status_code != self._expected:
                    self.wrong.append(f"{reply.status_code} {reply.text[:100]}")
            except requests.RequestException as error:
                self.wrong.append(repr(error))
            self.answered += 1


def find_api(stack: WholeStack) -> int | None:
    """Return the pid of the front end; None while it is down."""
    state = RunState.load(stack.data)
    found = state.find("api") if state else None
    return found.identity.pid if found else None


def api_pid(stack: WholeStack) -> int:
    found = find_api(stack)
    assert found
    return found


def is_forked(pid: int) -> bool:
    return "serve" not in psutil.Process(pid).cmdline()


def test_no_request_is_lost(stack: WholeStack) -> None:
    address = f"http://127.0.0.1:{stack.port('api')}"
    load = Load(f"{address}/v2/lookup", 401)  # there is no key
    health = Load(f"{address}/_health_ro", 200, clients=2)
    pids = {api_pid(stack)}
    assert is_forked(api_pid(stack)) == forking.IS_SUPPORTED
    try:
        for _ in range(RESTARTS):
            time.sleep(0.5)
            done = stack.acoustid("restart")
            assert done.returncode == 0, done.stderr
            pids.add(api_pid(stack))
        time.sleep(0.5)
    finally:
        load.end()
        health.end()
    assert load.wrong == health.wrong == []
    assert load.answered > 100
    assert len(pids) == RESTARTS + 1


def test_a_replaced_front_end_runs_the_installed_code_after_a_crash_too(stack: WholeStack) -> None:
    """A fork would run the code that was installed when the stack was started."""
    done = stack.acoustid("restart")
    assert done.returncode == 0, done.stderr
    replaced = api_pid(stack)
    assert not is_forked(replaced)
    psutil.Process(replaced).kill()
    eventually(lambda: find_api(stack) not in (None, replaced))
    assert not is_forked(api_pid(stack))
    url = f"http://127.0.0.1:{stack.port('api')}/_health_docker"
    assert requests.get(url, timeout=60).status_code == 200


def test_a_front_end_that_cannot_start_does_not_replace_the_old_one(stack: WholeStack) -> None:
    before = api_pid(stack)
    config = stack.data.config.read_text()
    stack.data.config.write_text(config + "\n[nonsense]\n")
    try:
        done = stack.acoustid("restart")
    finally:
        stack.data.config.write_text(config)
    assert done.returncode != 0
    assert "the old front end continues to run" in done.stderr
    assert api_pid(stack) == before
    url = f"http://127.0.0.1:{stack.port('api')}/_health_docker"
    assert requests.get(url, timeout=30).status_code == 200


def test_without_a_stack_the_command_fails(stack: WholeStack) -> None:
    other = DataDir.at(stack.data.root.parent / "other")
    done = acoustid("restart", data=other)
    assert done.returncode != 0
    assert "start one with `acoustid up`" in done.stderr
