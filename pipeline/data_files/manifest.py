"""The manifest of an export, ``manifest.json``: its files, with their checksums and row counts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

NAME: Final = "manifest.json"
FORMAT: Final = "acoustid-export"
VERSION: Final = 1
_MAX_ID: Final = 2**63 - 1


class ManifestError(ValueError):
    """A manifest can't be used. The message says what to change."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of an export.

    Attributes:
        rows: the number of lines.
        size: bytes of the file.
        sha256: of the file, in hexadecimal.
        snapshot: the time of the snapshot that its rows were read from.
        is_final: whether no row of its day could still be committed at that time, other than by an
            import of data files or an undone edit.
        imported: the time of the last import into its day that the snapshot contains (table
            ``imported_day``); None if there was none. Another time in the database means that the
            day has further rows.
    """

    rows: int
    size: int
    sha256: str
    snapshot: datetime
    is_final: bool = False
    imported: datetime | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of an export.

    Attributes:
        database: the identity of the fingerprint database.
        snapshot: the time of the newest snapshot.
        is_complete: whether the last run was completed; its files belong to one snapshot then.
        is_private: whether it has accounts, keys and submissions, too.
        files: the files by their path below the folder.
        highest_ids: the highest id by table that the database had given to a row. A private export
            has those of the tables of all three databases.
        final_before: the days before this one were final in the last completed run: those that have
            no file had no rows.
    """

    database: str
    snapshot: datetime
    is_complete: bool
    is_private: bool = False
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    highest_ids: Mapping[str, int] = field(default_factory=dict)
    final_before: date | None = None

    def to_json(self) -> str:
        """Return the text of the file."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return json.dumps(content, default=_encode, indent=1, sort_keys=True) + "\n"


def _encode(value: object) -> str:
    if isinstance(value, date):  # or a datetime, which is a date
        return value.isoformat()
    raise TypeError(type(value).__name__)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of an export; None if there is none.

    Raises:
        ManifestError: the file is not a manifest, or a newer version wrote it.
        OSError: it can't be read.
    """
    path = folder / NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        content: dict[str, Any] = json.loads(text)
        form, version = content.pop("format"), content.pop("version")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path) from error
    if form != FORMAT:
        raise ManifestError(f"{path} is not the manifest of an export: give another folder")
    if version != VERSION:
        raise ManifestError(
            f"{path} has version {version}, and this program reads version {VERSION}: "
            "use the version of acoustid that wrote it"
        )
    try:
        return _decode(content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path) from error


def _decode(content: dict[str, Any]) -> Manifest:
    files = {name: _decode_entry(entry) for name, entry in content.pop("files").items()}
    snapshot = datetime.fromisoformat(content.pop("snapshot"))
    for number in content.get("highest_ids", {}).values():
        _check(type(number) is int and 0 <= number <= _MAX_ID)
    for name in ("is_complete", "is_private"):
        _check(type(content.get(name, False)) is bool)
    final_before = content.pop("final_before", None)
    return Manifest(
        files=files,
        snapshot=snapshot,
        final_before=final_before and date.fromisoformat(final_before),
        **content,
    )


def _check(is_right: bool) -> None:  # noqa: FBT001 - a condition
    if not is_right:
        raise ValueError


def _decode_entry(entry: dict[str, Any]) -> FileEntry:
    _check(all(type(entry[name]) is int and entry[name] >= 0 for name in ("rows", "size")))
    imported = entry.get("imported")
    times = {
        "snapshot": datetime.fromisoformat(entry["snapshot"]),
        "imported": imported and datetime.fromisoformat(imported),
    }
    return FileEntry(**entry | times)


def _damaged(path: Path) -> ManifestError:
    return ManifestError(f"{path} is damaged: write the export again, or copy it again")
