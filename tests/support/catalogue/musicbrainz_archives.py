"""Archives of MusicBrainz dumps, made of the sample's tables."""

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cli.sample.recordings import MUSICBRAINZ
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.dump_format import SCHEMA_SEQUENCE, TABLES
from pipeline.catalog.musicbrainz.dump.load import Loaded, load_dump
from pipeline.catalog.musicbrainz.dump.open_dump import open_dump
from pipeline.catalog.musicbrainz.dump.schemas import NEW, OLD

STATES: Final = {
    "TIMESTAMP": b"2026-11-28 00:23:25.12345+00\n",
    "COPYING": b"CC0\n",
    "REPLICATION_SEQUENCE": b"190123\n",
    "SCHEMA_SEQUENCE": b"%d\n" % SCHEMA_SEQUENCE,
}
"""The files that MusicBrainz writes at the start of an archive."""

Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes) -> Member:
    """Return a member of an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def members(**changed: bytes | None) -> list[Member]:
    """Return the members of a whole archive.

    Args:
        changed: other contents of files by name; None leaves a file out.
    """
    tables = {name: (MUSICBRAINZ / name).read_bytes() for name in TABLES}
    contents: Mapping[str, bytes | None] = {**STATES, "l_artist_url": b"1\t2\n", **tables} | changed
    return [
        file(name if name in STATES else f"mbdump/{name}", content)
        for name, content in contents.items()
        if content is not None
    ]


def write_archive(
    path: Path, content: Sequence[Member] | None = None, mode: str = "w:bz2", **options: Any
) -> Path:
    """Write an archive, by default a whole one."""
    with tarfile.open(path, mode, **options) as archive:  # type: ignore[call-overload]
        for info, data in members() if content is None else content:
            archive.addfile(info, io.BytesIO(data))
    return path


def load(engine: sa.Engine, path: Path) -> Loaded:
    """Load a dump."""
    return load_dump(engine, open_dump(path), lambda _name, _size: None, lock_timeout=0.0)


def rows(engine: sa.Engine, table: sa.Table) -> int:
    """Return the number of rows of a table."""
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def content(engine: sa.Engine) -> dict[str, str]:
    """Return a checksum of the rows of each table of the copy."""
    found = {}
    with engine.connect() as connection:
        for name in mb.METADATA.tables:
            query = f"SELECT t::text FROM {name} t ORDER BY 1"  # noqa: S608 - our own names
            lines = connection.execute(sa.text(query)).scalars().all()
            found[name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return found


def is_unchanged(engine: sa.Engine) -> bool:
    """Return whether the copy is the old one, without leftovers of a load."""
    with engine.connect() as connection:
        names = connection.execute(sa.select(mb.recording.c.name)).scalars().all()
        left = sa.text("SELECT count(*) FROM pg_namespace WHERE nspname IN (:new, :old)")
        return names == ["Old"] and not connection.scalar(left, {"new": NEW, "old": OLD})
