"""Makes an entry of each audio file, as of each line of a JSON-lines file."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.fpcalc import Fingerprinted
from cli.commands.client.audio.parallel_files import run_in_order
from cli.commands.client.entries.entry import Entry, IsDone, Item, Refusal, never_done
from cli.printable import printable_path


def file_items(
    files: Sequence[Path],
    fields_of: Callable[[Path], Mapping[str, Any]],
    jobs: int,
    is_done: IsDone = never_done,
) -> Iterator[Item]:
    """Yield an entry, or a refusal, for each file, in the order of the files.

    Args:
        files: the files. The position of the first one is 1.
        fields_of: returns the fields of an entry, or raises `BadFileError`; is called in threads.
        jobs: number of files that are read in parallel.
        is_done: returns whether to leave out a file, by its position and its identity, the bytes of
            its absolute path.
    """

    def item(numbered: tuple[int, Path]) -> Item:
        position, file = numbered
        try:
            fields = fields_of(file)
        except BadFileError as error:
            return refusal(position, file, error.message)
        return Entry(position, printable_path(file), identity_of(file), fields)

    wanted = (
        (position, file)
        for position, file in enumerate(files, 1)
        if not is_done(position, identity_of(file))
    )
    yield from run_in_order(item, wanted, jobs)


def refusal(position: int, file: Path, reason: str) -> Refusal:
    """Return the refusal of a file."""
    return Refusal(position, printable_path(file), identity_of(file), reason)


def identity_of(file: Path) -> bytes:
    """Return the bytes of the absolute path of a file."""
    return os.fsencode(file.absolute())


def fingerprint_fields(found: Fingerprinted) -> dict[str, Any]:
    """Return the fields of an entry with a fingerprint."""
    return {"fingerprint": found.fingerprint, "duration": found.duration}
