"""After a power cut only synced content and names are certain; the engine needs no more.

Files keep what they held when they were last synced, or any part of what was written since. Names
are as they were when the folder was last synced, or as any of the later changes made them.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pipeline.storage import files
from tests.faults.storage.failing_files import Killed
from tests.faults.storage.workload import documents_at, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.storage.users import User

STEPS = 20


@dataclass
class Disk:
    """Tracks the content and the names of a folder that a power cut can't change.

    Attributes:
        folder: the folder as the process sees it.
        at_cut: called before every call, the moment at which the power may fail.
        written: what each file holds, by its number.
        synced: what each file held when it was last synced.
        names: the names that are certain: file number by name.
        pending: later changes of names, in order: (name, file number or None).
    """

    folder: Path
    at_cut: Callable[[], None] = lambda: None
    written: dict[int, bytearray] = field(default_factory=dict)
    synced: dict[int, bytes] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[str, int | None]] = field(default_factory=list)
    current: dict[str, int] = field(default_factory=dict)
    open_files: dict[int, int] = field(default_factory=dict)

    def create(self, path: Path, descriptor: int) -> None:
        """A new file, its name not yet certain."""
        number = len(self.written)
        self.written[number], self.synced[number] = bytearray(), b""
        self.open_files[descriptor] = self.current[path.name] = number
        self.pending.append((path.name, number))

    def write_at(self, descriptor: int, data: bytes | memoryview, offset: int) -> None:
        """New content, not yet certain."""
        content = self.written[self.open_files[descriptor]]
        new = bytes(memoryview(data).cast("B"))
        content.extend(bytes(max(0, offset + len(new) - len(content))))
        content[offset : offset + len(new)] = new

    def sync(self, descriptor: int) -> None:
        """The content of a file becomes certain."""
        number = self.open_files[descriptor]
        self.synced[number] = bytes(self.written[number])

    def replace(self, source: Path, target: Path) -> None:
        """A rename: both names change in one step."""
        number = self.current.pop(source.name)
        self.current[target.name] = number
        self.pending.append((target.name, number))

    def remove(self, path: Path) -> None:
        """A deletion."""
        if self.current.pop(path.name, None) is not None:
            self.pending.append((path.name, None))

    def sync_directory(self, path: Path) -> None:
        """All names of the folder become certain."""
        if path == self.folder:
            self.names, self.pending = dict(self.current), []

    def after_power_cut(self, target: Path, draw: random.Random) -> None:
        """Write one of the folders that may be found after a power cut at this moment."""
        names: dict[str, int] = dict(self.names)
        kept = draw.choice([0.0, 0.5, 1.0])
        for name, number in self.pending:
            if draw.random() >= kept:
                continue
            if number is None:
                names.pop(name, None)
            else:
                names[name] = number
        target.mkdir()
        (target / "lock").write_text(
            "not empty: no file may be taken for one of an earlier version"
        )
        for name, number in names.items():
            content = self.synced[number]
            if draw.random() < 0.5 and content != self.written[number]:
                content = bytes(self.written[number][: draw.randint(0, len(self.written[number]))])
            (target / name).write_bytes(content)


@contextmanager
def following(disk: Disk) -> Iterator[None]:
    """Let a disk track the engine's calls; they work as usual, but syncs do not wait."""
    real = {name: getattr(files, name) for name in ("create", "write_at", "replace", "remove")}

    def create(path: Path) -> int:
        disk.at_cut()
        descriptor: int = real["create"](path)
        disk.create(path, descriptor)
        return descriptor

    def through(name: str) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            disk.at_cut()
            if name in real:
                real[name](*arguments)
            getattr(disk, name)(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "create", create)
        for name in ("write_at", "sync", "replace", "remove", "sync_directory"):
            patch.setattr(files, name, through(name))
        yield


class RandomFailures:
    """Simulates a power cut before many calls, and kills the writer at a few.

    Attributes:
        committed: the position that must not be lost.
        cuts: how many power cuts were tried.
        kills: how often the writer was killed.
    """

    def __init__(self, user: User, folder: Path, seed: int) -> None:
        """Choose moments at random; the folder after a power cut is written beside `folder`."""
        self.committed = self.cuts = self.kills = 0
        self.user = user
        self.disk = Disk(folder, self.at_call)
        self.dying = False
        self._draw = random.Random(seed)

    def at_call(self) -> None:
        """Before a call: at random, check the folder after a power cut, or kill the writer."""
        if not self.dying and self._draw.random() < 0.3:
            self.check_power_cut()
        if not self.dying and self._draw.random() < 0.03:
            self.dying = True
            self.kills += 1
        if self.dying:
            raise Killed

    def check_power_cut(self) -> None:
        """What a power cut leaves is whole, at the last commit that returned or the next."""
        self.cuts += 1
        folder = self.disk.folder.with_name(f"cut{self.cuts}")
        self.disk.after_power_cut(folder, self._draw)
        with open_unfollowed(self.user, folder) as position:
            assert position in {self.committed, self.committed + 1}
            assert self.user.verify(folder) == []
            assert self.user.contents(folder) == documents_at(self.user, position)

    def write(self, steps: int) -> None:
        """Write some positions, or until killed."""
        self.dying = False
        writer = None
        try:
            writer = self.user.open_writer(self.disk.folder)
            self.committed = writer.position()
            for _ in range(steps):
                self.committed = step(self.user, writer)
        except Killed:
            pass
        finally:
            if writer:
                writer.close()


@pytest.mark.parametrize("seed", range(3))
def test_power_cut_at_any_call(user: User, path: Path, seed: int) -> None:
    """However often the writer was killed before, a power cut loses nothing committed."""
    failures = RandomFailures(user, path, seed)
    with following(failures.disk):
        while failures.committed < STEPS:
            failures.write(STEPS)
    assert failures.cuts > STEPS
    assert failures.kills > 3


@contextmanager
def open_unfollowed(user: User, path: Path) -> Iterator[int]:
    """Open and close the folder that a power cut left, and return its position."""
    with pytest.MonkeyPatch.context() as patch:
        for name, call in REAL.items():
            patch.setattr(files, name, call)
        with user.open_writer(path) as writer:
            yield writer.position()


REAL = {
    name: getattr(files, name)
    for name in ("create", "write_at", "sync", "replace", "remove", "sync_directory")
}
