"""Archives that were made to do harm."""

import gzip
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.musicbrainz.dump.errors import DumpError
from tests.support.catalogue.musicbrainz_archives import (
    Member,
    file,
    is_unchanged,
    load,
    members,
    write_archive,
)

MIB = 1 << 20


def special(kind: bytes, name: str = "mbdump/isrc") -> Member:
    """Return a link or a special file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info, b""


def sparse() -> Member:
    """Return a sparse file of 1 TiB that has no content."""
    info = tarfile.TarInfo("mbdump/isrc")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": str(1 << 40),
        "GNU.sparse.name": "mbdump/isrc",
    }
    map_ = b"0\n".ljust(512, b"\0")
    info.size = len(map_)
    return info, map_


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (file("/mbdump/isrc", b"x"), "outside of the archive's folder"),
        (file("mbdump/../../isrc", b"x"), "outside of the archive's folder"),
        (special(tarfile.SYMTYPE), "is a link or a special file"),
        (special(tarfile.LNKTYPE), "is a link or a special file"),
        (special(tarfile.FIFOTYPE, "pipe"), "is a link or a special file"),
        (special(tarfile.CHRTYPE, "README"), "is a link or a special file"),
        (sparse(), "is a link or a special file"),
        (file("mbdump/isrc", b""), "mbdump/isrc is in the dump twice"),
        (file("TIMESTAMP", b"2026-01-01 00:00:00+00"), "TIMESTAMP is in the dump twice"),
    ],
)
def test_a_hostile_member_changes_nothing(
    engine: sa.Engine, tmp_path: Path, added: Member, message: str
) -> None:
    path = write_archive(tmp_path / "x.tar.bz2", [*members(), added])
    with pytest.raises(DumpError, match=message):
        load(engine, path)
    assert is_unchanged(engine)


def header(name: str, kind: bytes, size: int) -> bytes:
    """Return a header that claims a size."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def zeros(path: Path, start: bytes, count: int) -> Path:
    """Write an archive of `start`, then `count` MiB of zeros."""
    with gzip.open(path, "wb", 1) as out:
        out.write(start)
        for _ in range(count):
            out.write(bytes(MIB))
    return path


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (header("x", tarfile.XHDTYPE, 60 * MIB), "has a header of over"),
        (header("x", tarfile.GNUTYPE_LONGNAME, 60 * MIB), "has a header of over"),
        (header("mbdump/isrc", tarfile.REGTYPE, 60 * MIB), "has a line of over"),
        (header("mbdump/isrc", tarfile.REGTYPE, 1 << 50), "has a line of over"),
        (header("other", tarfile.REGTYPE, 1 << 50), "unexpected end of data"),
        (b"", "has a header of over|is cut"),
    ],
)
def test_memory_is_bounded(engine: sa.Engine, tmp_path: Path, start: bytes, message: str) -> None:
    """The archive has 60 MiB of zeros in a few hundred kilobytes."""
    path = zeros(tmp_path / "x.tar.gz", start, 60)
    tracemalloc.start()
    try:
        with pytest.raises(DumpError, match=message):
            load(engine, path)
        assert tracemalloc.get_traced_memory()[1] < 24 * MIB
    finally:
        tracemalloc.stop()
    assert is_unchanged(engine)


def no_tar(path: Path) -> None:
    path.write_bytes(b"<html>not found</html>" * 1000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def data_after_the_end(path: Path) -> None:
    write_archive(path, mode="w:")
    with path.open("ab") as out:
        out.write(b"x" * 512)


@pytest.mark.parametrize("make", [no_tar, empty, data_after_the_end])
def test_what_is_no_archive_changes_nothing(
    engine: sa.Engine, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "x"
    make(path)
    with pytest.raises(DumpError, match=r"cut|damaged"):
        load(engine, path)
    assert is_unchanged(engine)
