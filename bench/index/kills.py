"""Kills a process that loads an index, again and again, and looks what is left each time."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.index.model import Model
from pipeline.index import FingerprintIndexError, open_reader, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROCESS: Final = "bench.index.loader"
LONGEST: Final = 1.0  # seconds from the first commit until the process is killed
SAMPLE: Final = 50  # documents of the last acknowledged batch that are searched for


@dataclass
class Toll:
    """What the kills did.

    Attributes:
        kills: how many there were.
        acknowledged: batches whose commit had returned.
        lost: those of them that were missing, in whole or in part.
        corrupt: starts at which a file was damaged, or position and documents disagreed.
    """

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    corrupt: int = 0


def kill_often(
    path: Path, kills: int, size: int, seed: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Load, kill with SIGKILL at a random moment, check, and go on with what is there.

    Args:
        path: folder of the index, empty at first.
        kills: how often.
        size: documents a commit.
        seed: of the moments.
        progress: told what goes on.
    """
    moments = random.Random(seed)
    toll = Toll()
    for number in range(1, kills + 1):
        told = _load_and_kill(path, size, moments.uniform(0, LONGEST))
        toll.kills += 1
        toll.acknowledged += len(told)
        _look(path, told[-1], size, toll)
        if number % 20 == 0:
            progress(f"{number} kills, {told[-1]} documents")
    return {
        "kills": toll.kills,
        "documents": told[-1],
        "acknowledged_batches": toll.acknowledged,
        "lost_batches": toll.lost,
        "corrupt_starts": toll.corrupt,
    }


def _load_and_kill(path: Path, size: int, seconds: float) -> list[int]:
    """Return the positions that a loading process told until it was killed, at least one."""
    command = [sys.executable, "-m", PROCESS, str(path), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline()]
        time.sleep(seconds)
        process.kill()
        told += process.stdout.read().splitlines(keepends=True)
    # The last line may have been cut short by the kill.
    return [int(line) for line in told if line.endswith("\n")]


def _look(path: Path, acknowledged: int, size: int, toll: Toll) -> None:
    """Check the index as the next start finds it."""
    try:
        problems = verify(path)
        with open_reader(path) as reader:
            stats = reader.stats()
            if stats.position < acknowledged or not _holds(path, acknowledged, size):
                toll.lost += 1
            if problems or stats.documents != stats.position:
                toll.corrupt += 1
    except FingerprintIndexError:
        toll.corrupt += 1


def _holds(path: Path, last: int, size: int) -> bool:
    """Tell whether a sample of the batch that ends with a document is found, with every term."""
    first = max(0, last - min(size, SAMPLE))
    terms = Model().documents(first, last)
    with open_reader(path) as reader:
        found = reader.search(list(terms), limit=1)
    return all(
        hits.ids.size == 1 and int(hits.ids[0]) == number and int(hits.scores[0]) == row.size
        for number, row, hits in zip(range(first + 1, last + 1), terms, found, strict=True)
    )
