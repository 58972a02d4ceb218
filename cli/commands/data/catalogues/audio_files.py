"""Reads audio files with their tags, as `acoustid submit DIRECTORY` does.

A file is imported once. It is read again if its size or its time of modification has changed, since
its tags may have been corrected.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.commands.client.audio.submission_entries import submission_items
from cli.commands.client.entries.entry import Item
from cli.commands.data.catalogues.steps import Step
from pipeline.bulk_import.submissions.progress import FileProgress


def audio_steps(
    source: Path, jobs: int, done: Mapping[str, bytes], *, full: bool
) -> tuple[Iterator[Step], int]:
    """Return a step for each audio file that was not imported yet, and the number of all files.

    Args:
        source: a folder, or one audio file.
        jobs: number of files that are read in parallel.
        done: the digests of imported files by path, see `digest_of`.
        full: the fingerprints are those of whole files, not of the first 120 s.

    Raises:
        StackError: fpcalc is not installed.
    """

    def is_done(_position: int, identity: bytes) -> bool:
        known = done.get(_stored(identity))
        return known is not None and known == digest_of(identity)

    items, total = submission_items([source], jobs, is_done, {}, full=full)
    return _steps(items), total


def digest_of(path: bytes) -> bytes:
    """Return a digest of the size and the time of modification; empty if it can't be read."""
    try:
        found = os.stat(path)  # noqa: PTH116 - the name may be no valid text
    except OSError:
        return b""
    return hashlib.sha256(b"%d %d" % (found.st_size, found.st_mtime_ns)).digest()


def _steps(items: Iterator[Item]) -> Iterator[Step]:
    last = 0
    for item in items:
        progress = FileProgress(
            _stored(item.identity), digest_of(item.identity), 1, is_finished=True
        )
        yield Step(item.name, item, progress, item.position - last, repeats_refused=True)
        last = item.position


def _stored(identity: bytes) -> str:
    return identity.decode(errors="backslashreplace")
