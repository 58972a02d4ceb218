"""`acoustid restart` under load: no request is refused, reset or answered wrongly, nothing is lost.

The front end has a drain time. It does not apply, since the new process serves the same socket.
"""

import itertools
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
import requests

from cli.stack.data_directory import DataDir
from cli.stack.processes import forking
from cli.stack.run_state import RunState
from pipeline.fingerprint.codec import compress, pack_text
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import WholeStack, acoustid, running_stack

CLIENTS = 4
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


class Submissions(Load):
    """A client that submits one recording after another."""

    def __init__(self, url: str) -> None:
        self.ids: list[int] = []
        super().__init__(url, 200, clients=1)

    def _run(self, keep: bool) -> None:  # noqa: ARG002 - its connection is kept
        session = requests.Session()
        for number in itertools.count(1):
            if self._ends.wait(0.1):
                return
            try:
                reply = session.post(
                    f"{self._url}&duration={100 + number}&track=x", timeout=30
                ).json()
                self.ids += [each["id"] for each in reply["submissions"]]
            except (requests.RequestException, KeyError) as error:
                self.wrong.append(repr(error))


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


def roles_of(stack: WholeStack) -> dict[str, int]:
    """Return the pids of the processes of Python by role."""
    state = RunState.load(stack.data)
    assert state
    return {
        each.role: each.identity.pid
        for each in state.processes
        if each.role not in {"postgres", "valkey"}
    }


def test_all_processes_are_replaced_and_nothing_is_lost(stack: WholeStack) -> None:
    address = f"http://127.0.0.1:{stack.port('api')}"
    words = f"client={stack.client}&fingerprint={pack_text(compress(fingerprint(1)))}"
    lookups = Load(f"{address}/v2/lookup?{words}&duration=200", 200)
    health = Load(f"{address}/_health_ro", 200, clients=2)
    submits = Submissions(f"{address}/v2/submit?{words}&user={stack.user}")
    before = roles_of(stack)
    assert is_forked(before["api"]) == forking.IS_SUPPORTED
    try:
        done = stack.acoustid("restart")
        assert done.returncode == 0, done.stderr
        after = roles_of(stack)
        time.sleep(0.5)
    finally:
        for load in (lookups, health, submits):
            load.end()
    assert lookups.wrong == health.wrong == submits.wrong == []
    assert lookups.answered > 100
    assert (
        before.keys()
        == after.keys()
        == {*("api", "beat", "flower", "worker-index", "worker-lookup-1", "worker-submission")}
    )
    assert not set(before.values()) & set(after.values())
    assert len(submits.ids) > 10
    status = f"{address}/v2/submission_status?client={stack.client}"
    for submission_id in submits.ids:
        eventually(lambda number=submission_id: _state(f"{status}&id={number}") == "imported")


def _state(url: str) -> str:
    [found] = requests.get(url, timeout=30).json()["submissions"]
    return str(found["status"])


def test_a_replaced_front_end_runs_the_installed_code_after_a_crash_too(stack: WholeStack) -> None:
    """A fork would run the code that was installed when the stack was started.

    The test before this one has replaced the front end.
    """
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
    assert "the old process continues to run" in done.stderr
    assert api_pid(stack) == before
    url = f"http://127.0.0.1:{stack.port('api')}/_health_docker"
    assert requests.get(url, timeout=30).status_code == 200


def test_without_a_stack_the_command_fails(stack: WholeStack) -> None:
    other = DataDir.at(stack.data.root.parent / "other")
    done = acoustid("restart", data=other)
    assert done.returncode != 0
    assert "start one with `acoustid up`" in done.stderr
