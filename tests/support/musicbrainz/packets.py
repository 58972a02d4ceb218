"""Writes replication packets as MusicBrainz's ``admin/ExportAllTables`` does."""

import bz2
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA = 31
FIRST = 100
"""The number of the packet that `followed_copy` has."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A change of a row: an insertion has no old row, a deletion no new one.

    Attributes:
        table: the name of the table without its schema.
        key: the columns of the primary key.
        xid: the transaction.
        seqid: the number of the change; by default its place in the packet.
    """

    table: str
    old: Row | None = None
    new: Row | None = None
    key: tuple[str, ...] = ("id",)
    schema: str = "musicbrainz"
    xid: int = 1
    seqid: int | None = None

    @property
    def op(self) -> str:
        """The kind of the change: i, u or d."""
        if self.old is None:
            return "i"
        return "d" if self.new is None else "u"


@dataclass
class Packet:
    """A packet. Its parts can be changed before it is written.

    Attributes:
        sequence: its number.
        changes: its changes.
        schema: MusicBrainz's schema sequence.
        timestamp: the time up to which it has the changes.
        extra: other files of the archive; None leaves a file out.
    """

    sequence: int
    changes: Iterable[Change] = ()
    schema: int = SCHEMA
    timestamp: datetime | str = datetime(2026, 11, 30, 12, 0, 5, 303734, UTC)
    extra: dict[str, bytes | None] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """Return the files of a packet of dbmirror2."""
        changes = list(self.changes)
        data = [
            (
                str(change.seqid or number),
                f"{change.schema}.{change.table}",
                change.op,
                str(change.xid),
                _json(change.old),
                _json(change.new),
                None,
                "1",
            )
            for number, change in enumerate(changes, start=1)
        ]
        keys = {(f"{each.schema}.{each.table}", f"{{{','.join(each.key)}}}") for each in changes}
        parts = {
            "mbdump/pending_data": _copied(data),
            "mbdump/pending_keys": _copied(sorted(keys)),
            "mbdump/pending_ts": _copied([("1", str(self.timestamp))]),
        }
        return self._with_heads(parts)

    def first_form_files(self, *, names: tuple[str, str]) -> dict[str, bytes]:
        """Return the files of a packet of the first dbmirror."""
        pending: list[tuple[str | None, ...]] = []
        values: list[tuple[str | None, ...]] = []
        for number, change in enumerate(self.changes, start=1):
            table = f'"{change.schema}"."{change.table}"'
            pending.append((str(number), table, change.op, str(change.xid)))
            if change.old is not None:
                key = {name: change.old[name] for name in change.key}
                values.append((str(number), "t", _packed(key)))
            if change.new is not None:
                values.append((str(number), "f", _packed(change.new)))
        return self._with_heads({names[0]: _copied(pending), names[1]: _copied(values)})

    def write(self, folder: Path, files: Mapping[str, bytes] | None = None) -> Path:
        """Write the packet into a folder; return the file."""
        suffix = "" if files else "-v2"
        path = folder / f"replication-{self.sequence}{suffix}.tar.bz2"
        path.write_bytes(bz2.compress(archive(files or self.files())))
        return path

    def _with_heads(self, parts: Mapping[str, bytes]) -> dict[str, bytes]:
        heads = {
            "TIMESTAMP": f"{self.timestamp}\n".encode(),
            "COPYING": b"text\n",
            "README": b"text\n",
            "REPLICATION_SEQUENCE": f"{self.sequence}\n".encode(),
            "SCHEMA_SEQUENCE": f"{self.schema}\n".encode(),
        }
        found = {**heads, **parts, **self.extra}
        return {name: content for name, content in found.items() if content is not None}


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def _json(row: Row | None) -> str | None:
    if row is None:
        return None
    return json.dumps(dict(row), default=str, ensure_ascii=False, separators=(",", ":"))


def _copied(rows: Iterable[Iterable[str | None]]) -> bytes:
    """Return rows in the text form of COPY."""
    lines = ("\t".join("\\N" if each is None else _escaped(each) for each in row) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def _escaped(text: str) -> str:
    escapes = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
    return "".join(escapes.get(sign, sign) for sign in text)


def _packed(row: Row) -> str:
    """Return values as dbmirror's ``packageData`` does."""
    found = ""
    for name, value in row.items():
        if value is None:
            found += f'"{name}"= '
            continue
        text = ("t" if value else "f") if isinstance(value, bool) else str(value)
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        found += f"\"{name}\"='{escaped}' "
    return found
