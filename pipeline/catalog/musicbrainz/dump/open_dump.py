"""Opens a dump."""

from pathlib import Path

from pipeline.catalog.musicbrainz.dump.archive import DumpArchive
from pipeline.catalog.musicbrainz.dump.directory import open_directory
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.source import DumpSource


def open_dump(path: Path) -> DumpSource:
    """Open a dump's archive, or check an unpacked dump.

    Args:
        path: ``mbdump.tar.bz2``, the directory in which it was unpacked, or ``mbdump`` in that.

    Raises:
        DumpError: the path is neither, or a directory lacks required files or has a cut one.
    """
    if path.is_dir():
        return open_directory(path)
    if path.is_file():
        return DumpArchive(path)
    raise DumpError(f"{path} is neither a file nor a directory: give mbdump.tar.bz2")
