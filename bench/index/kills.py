"""Repeatedly kills a process that writes an index, and checks the index after each kill.

The writing process is this module: ``python -m bench.index.kills PATH BATCH``. It inserts until
it is killed, and prints the position of each commit that has returned.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from bench.index.model import Model
from pipeline.index import FingerprintIndexError, open_reader, open_writer, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROCESS: Final = "bench.index.kills"
MAX_DELAY: Final = 1.0  # seconds from the first commit to the kill
ENDLESS: Final = 1 << 31
SAMPLE: Final = 50  # documents of the last acknowledged batch to search for


@dataclass
class KillCounts:
    """Counts over all kills.

    Attributes:
        kills: the number of kills.
        acknowledged: the number of batches whose commit had returned.
        lost: the number of acknowledged batches that were missing, in whole or in part.
        corrupt: the number of starts with a damaged file, or with a number of documents other than
            the position.
    """

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    corrupt: int = 0


def measure_kills(
    path: Path, kills: int, size: int, seed: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Write, kill with SIGKILL at a random time, check; repeat with the same index.

    Args:
        path: the folder of the index, initially empty.
        kills: the number of kills.
        size: the number of documents per commit.
        seed: the seed of the random times.
        progress: called with one line from time to time.
    """
    moments = random.Random(seed)
    counts = KillCounts()
    for number in range(1, kills + 1):
        positions = _write_and_kill(path, size, moments.uniform(0, MAX_DELAY))
        counts.kills += 1
        counts.acknowledged += len(positions)
        check_index(path, positions[-1], size, counts)
        if number % 20 == 0:
            progress(f"{number} kills, {positions[-1]} documents")
    return {
        "kills": counts.kills,
        "documents": positions[-1],
        "acknowledged_batches": counts.acknowledged,
        "lost_batches": counts.lost,
        "corrupt_starts": counts.corrupt,
    }


def _write_and_kill(path: Path, size: int, seconds: float) -> list[int]:
    """Start a writing process and kill it. Return the positions it printed, at least one."""
    command = [sys.executable, "-m", PROCESS, str(path), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        positions = [_first_position(process.stdout)]
        time.sleep(seconds)
        process.kill()
        positions += process.stdout.read().splitlines(keepends=True)
    # The kill may have cut the last line. The log also writes to standard output.
    return [int(line) for line in positions if line.endswith("\n") and line.strip().isdigit()]


def _first_position(output: IO[str]) -> str:
    """Wait for the first position that a writing process prints; an empty text if it has ended."""
    return next((line for line in output if line.strip().isdigit()), "")


def check_index(path: Path, acknowledged: int, size: int, counts: KillCounts) -> None:
    """Check the index after a kill."""
    try:
        problems = verify(path)
        with open_reader(path) as reader:
            stats = reader.stats()
            if stats.position < acknowledged or not _holds(path, acknowledged, size):
                counts.lost += 1
            if problems or stats.documents != stats.position:
                counts.corrupt += 1
    except FingerprintIndexError:
        counts.corrupt += 1


def _holds(path: Path, last: int, size: int) -> bool:
    """Return whether a sample of the batch that ends with `last` is found with all its terms."""
    first = max(0, last - min(size, SAMPLE))
    terms = Model().documents(first, last)
    with open_reader(path) as reader:
        found = reader.search(list(terms), limit=1)
    return all(
        hits.ids.size == 1 and int(hits.ids[0]) == number and int(hits.scores[0]) == row.size
        for number, row, hits in zip(range(first + 1, last + 1), terms, found, strict=True)
    )


def write_endlessly(path: str, size: int) -> None:
    """Insert documents after the last one of the index, `size` per commit, until the kill."""
    with open_writer(path) as writer:
        for batch in Model().inserts(ENDLESS, size, writer.position()):
            writer.apply(batch, batch[-1].id)
            print(batch[-1].id, flush=True)


if __name__ == "__main__":
    write_endlessly(sys.argv[1], int(sys.argv[2]))
