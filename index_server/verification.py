"""Checks the files of indexes without a server, or beside one."""

from collections.abc import Iterator
from pathlib import Path

from index_server.state import NAME, StateDamagedError, engine_folder, read_state
from pipeline.index import verify
from pipeline.index.segments.segment_format import SUFFIX
from pipeline.storage.format import MANIFEST_NAME


def verify_below(directory: Path) -> Iterator[tuple[Path, list[str]]]:
    """Read all indexes of a folder, and yield each one's folder and what is wrong with it.

    Deleted indexes are left out; so are those that are deleted or created anew meanwhile.

    Args:
        directory: the folder of a server, of one of its indexes, or of an engine.

    Raises:
        OSError: a folder cannot be read.
    """
    if (directory / MANIFEST_NAME).exists() or any(directory.glob(f"*{SUFFIX}")):
        yield directory, verify(directory)
    elif (directory / NAME).exists():
        yield from _verify_named(directory)
    else:
        for folder in sorted(directory.iterdir()):
            yield from _verify_named(folder)


def _verify_named(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Check the index that a state names, if any."""
    try:
        state = read_state(folder)
        if state is None or state.deleted:
            return
        problems = verify(engine_folder(folder, state.generation))
        if not problems or read_state(folder) == state:
            yield folder, problems
    except StateDamagedError as error:
        yield folder, [str(error)]
