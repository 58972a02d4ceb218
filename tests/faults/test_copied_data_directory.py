"""A copied, a moved and a twice started data directory: each accepted submission is kept.

The stack `A` runs on the original. The tests of this file run in their order, on its state.
"""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import requests

from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import Prepared
from cli.stack.run_state import RunState
from cli.stack.selection import ChosenStack
from cli.stack.servers import postgres_directory
from cli.stack.stack_record import StackRecord
from cli.status.collect import collect
from cli.status.servers import STATES
from pipeline.fingerprint.codec import encode
from tests.support.catalogue.synthetic import fingerprint
from tests.support.polling import eventually
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import ENVIRON, acoustid

UP = ("up", "--detach", "--no-sample", "--workers", "1", "--flower-port", "0", "--port", "0")


@dataclass
class Submitter:
    """Submits recordings that no stack has yet.

    Attributes:
        next_seed: the number of the next recording.
    """

    next_seed: int = 1

    def accepted(self, data: DataDir, count: int) -> int:
        """Submit some recordings to a stack; return how many it has accepted."""
        seeds = range(self.next_seed, self.next_seed + count)
        self.next_seed += count
        state, demo = RunState.load(data), Prepared.load(data.prepared).demo
        api = state.find("api") if state else None
        assert api
        assert demo
        form = {"client": demo.client, "user": demo.user}
        for number, seed in enumerate(seeds):
            form[f"fingerprint.{number}"] = encode(fingerprint(seed))
            form[f"duration.{number}"] = "200"
            form[f"track.{number}"] = "T"
        reply = requests.post(f"http://127.0.0.1:{api.port}/v2/submit", data=form, timeout=60)
        assert reply.status_code == 200, reply.text
        return len(reply.json()["submissions"])


@dataclass
class Scene:
    """The original, its copy, and the number of submissions that each has accepted."""

    original: DataDir
    copy: DataDir
    submitter: Submitter
    accepted: dict[Path, int] = field(default_factory=dict)

    def submit(self, data: DataDir, count: int) -> None:
        """Submit recordings to a stack."""
        before = self.accepted.get(data.root, 0)
        self.accepted[data.root] = before + self.submitter.accepted(data, count)

    def check(self, data: DataDir) -> None:
        """Wait until a stack has imported exactly the submissions that it has accepted."""
        wanted = {"imported": self.accepted[data.root]}
        eventually(lambda: imported(data) == wanted, seconds=60)


def imported(data: DataDir) -> dict[str, int]:
    """Return the number of submissions of a stack by state."""
    found: dict[str, int] = collect(ChosenStack(data, data.config, {}))["submissions"]
    return {name: found[name] for name in STATES if found[name]}


def pids(data: DataDir) -> list[int]:
    """Return the pids of a stack's supervisor and its processes."""
    state = RunState.load(data)
    assert state
    return [state.supervisor.pid, *(each.identity.pid for each in state.processes)]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """A running stack with submissions, and a copy of its directory made while it runs."""
    with temporary_folder() as folder:
        original, copy = DataDir.at(folder / "A"), DataDir.at(folder / "B")
        made = Scene(original, copy, Submitter())
        try:
            started = acoustid(*UP, data=original, environ=ENVIRON)
            assert started.returncode == 0, started.stderr
            made.submit(original, 20)
            made.check(original)
            # A file may vanish during the copy, as in any copy of a running stack.
            subprocess.run(["/bin/cp", "-a", original.root, copy.root], check=False)
            made.accepted[copy.root] = made.accepted[original.root]
            yield made
        finally:
            used = [original, copy, DataDir.at(folder / "C"), DataDir.at(folder / "D")]
            with ThreadPoolExecutor() as threads:
                list(threads.map(lambda data: acoustid("down", data=data), used))
            for data in used:
                postgres_directory.delete_external(data.root)


def test_a_copy_that_never_ran_does_not_touch_the_original(scene: Scene) -> None:
    before = pids(scene.original)
    for command, status, text in (
        (("down",), 0, "No stack runs"),
        (("status",), 3, "does not run"),
        (("keys", "create", "--application", "X"), 3, "--adopt"),
        (UP, 1, "--adopt"),
    ):
        answer = acoustid(*command, data=scene.copy)
        assert answer.returncode == status, command
        assert text in answer.stdout + answer.stderr
    assert pids(scene.original) == before
    assert all(psutil.pid_exists(pid) for pid in before)


def test_a_second_start_by_another_path_is_refused(scene: Scene) -> None:
    link = scene.original.root.with_name("link")
    link.symlink_to(scene.original.root)
    before = pids(scene.original)
    answer = acoustid(*UP, data=DataDir(link))
    assert answer.returncode == 1
    assert "a stack runs on" in answer.stderr
    assert pids(scene.original) == before


def test_original_and_adopted_copy_keep_their_own_submissions(scene: Scene) -> None:
    before = pids(scene.original)
    started = acoustid(*UP, "--adopt", data=scene.copy, environ=ENVIRON)
    assert started.returncode == 0, started.stderr
    assert pids(scene.original) == before
    for data, count in ((scene.original, 10), (scene.copy, 7), (scene.original, 5)):
        scene.submit(data, count)
    scene.check(scene.original)
    scene.check(scene.copy)
    ours, theirs = StackRecord.load(scene.original), StackRecord.load(scene.copy)
    assert ours.postgres_port != theirs.postgres_port
    assert ours.postgres_password != theirs.postgres_password


def test_the_original_keeps_its_submissions_after_the_copy_was_stopped(scene: Scene) -> None:
    before = pids(scene.original)
    stopped = acoustid("down", data=scene.copy)
    assert "has stopped" in stopped.stdout
    assert pids(scene.original) == before
    scene.submit(scene.original, 5)
    scene.check(scene.original)


def test_a_moved_copy_starts_with_its_submissions(scene: Scene) -> None:
    moved = DataDir.at(scene.copy.root.rename(scene.copy.root.with_name("C")))
    scene.accepted[moved.root] = scene.accepted[scene.copy.root]
    assert acoustid("keys", "create", "--application", "X", data=moved).returncode == 3
    started = acoustid(*UP, data=moved, environ=ENVIRON)
    assert started.returncode == 0, started.stderr
    assert f"moved from {scene.copy.root}" in moved.log("supervisor").read_text()
    scene.submit(moved, 3)
    scene.check(moved)
    scene.check(scene.original)


def test_a_directory_that_is_moved_while_its_stack_runs_keeps_all_submissions(scene: Scene) -> None:
    """The stack stops by itself; neither the directory nor a copy at its old path is damaged."""
    old = DataDir.at(scene.copy.root.with_name("C"))
    supervisor = psutil.Process(pids(old)[0])
    scene.submit(old, 6)
    moved = DataDir.at(old.root.rename(old.root.with_name("D")))
    scene.accepted[moved.root] = scene.accepted[old.root]
    subprocess.run(["/bin/cp", "-a", moved.root, old.root], check=False)
    supervisor.wait(timeout=20)
    assert "was moved or deleted while its stack ran" in moved.log("supervisor").read_text()
    for data in (moved, old):
        started = acoustid(*UP, data=data, environ=ENVIRON)
        assert started.returncode == 0, started.stderr
        # Those of a killed import worker stay pending until the next sweep.
        kept = imported(data)
        assert kept.keys() <= {"imported", "pending"}
        assert sum(kept.values()) == scene.accepted[moved.root]
    assert StackRecord.load(moved).postgres_port != StackRecord.load(old).postgres_port
