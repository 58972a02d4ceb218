"""The file ``backup.json``, which makes a backup complete: its databases, files and checksums.

A backup is a folder or one tar file with the same members. `cli.backup.opened` reads both. The
manifest is written last, so a backup without it is not complete.

| member | contents |
|---|---|
| ``<names>.dump`` | a database, written by ``pg_dump --format=custom`` |
| ``acoustid.conf`` | the options that the operator has set, with secrets |
| ``stack.json`` | the secrets of a stack of ``acoustid up`` that outlive it; missing for others |
| ``backup.json`` | this manifest |
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

NAME: Final = "backup.json"
FORMAT: Final = "acoustid-backup"
VERSION: Final = 1

CONFIGURATION: Final = "acoustid.conf"
STACK: Final = "stack.json"
"""A JSON object with the fields ``cluster_secret`` and ``flower_password`` of `StackRecord`."""

DUMP_SUFFIX: Final = ".dump"

ORDER: Final = ("ingest", "fingerprint", "app", "musicbrainz")
"""The logical databases in the order of their snapshots; see decision 41."""


class ManifestError(ValueError):
    """A manifest can't be used. The message says what to change."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A member of a backup.

    Attributes:
        size: bytes.
        sha256: of its content, in hexadecimal.
    """

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DatabaseDump:
    """The dump of one PostgreSQL database.

    Attributes:
        names: the logical databases in it, in the order of `ORDER`. There is more than one if the
            settings give several of them the same database.
        file: the member with the dump.
        database: the name of the database on its server.
        revisions: the revision of the schema of each logical database.
        server_version: PostgreSQL's ``server_version_num``, such as 180001.
        dumped_by: the major version of the ``pg_dump`` that wrote it.
        snapshot: the time of the snapshot, by the clock of the server.
    """

    names: tuple[str, ...]
    file: str
    database: str
    revisions: Mapping[str, str]
    server_version: int
    dumped_by: int
    snapshot: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """What a backup has, counted in its snapshots.

    Attributes:
        fingerprints: rows of the table ``fingerprint``.
        tracks: rows of the table ``track``, merged ones included.
        pending_submissions: receipts without a final state.
    """

    fingerprints: int
    tracks: int
    pending_submissions: int


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """A complete backup.

    Attributes:
        created: when it began, in UTC; all submissions that were accepted earlier are in it.
        acoustid_version: the version of the program that wrote it.
        service: the identity of the fingerprint database, by which backups of one service are
            recognised.
        dumps: the databases, in the order of their snapshots.
        left_out: the logical databases that are not in it: a mirror of MusicBrainz.
        files: all members but ``backup.json``, by name.
        counts: what it has.
        outside_files: the paths of the files that the configuration names and that are not in it,
            such as certificates and files of secrets.
    """

    created: datetime
    acoustid_version: str
    service: str
    dumps: tuple[DatabaseDump, ...]
    files: Mapping[str, StoredFile]
    counts: Counts
    left_out: tuple[str, ...] = ()
    outside_files: tuple[str, ...] = field(default=())

    def size(self) -> int:
        """Return the bytes of all members but ``backup.json``."""
        return sum(each.size for each in self.files.values())

    def to_json(self) -> str:
        """Return the text of the file."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return json.dumps(content, default=_encode, indent=1) + "\n"


def dump_name(names: tuple[str, ...]) -> str:
    """Return the member with the dump of some logical databases: ``app+ingest.dump``."""
    return "+".join(names) + DUMP_SUFFIX


def parse_manifest(text: bytes, where: str) -> BackupManifest:
    """Return the manifest in the content of ``backup.json``.

    Args:
        text: the content.
        where: the backup, for the message of an error.

    Raises:
        ManifestError: it is not a manifest, or a newer version wrote it.
    """
    try:
        content: dict[str, Any] = json.loads(text)
        form, version = content.pop("format"), content.pop("version")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(where) from error
    if form != FORMAT:
        raise ManifestError(f"{where} is not a backup of acoustid: give another folder or file")
    if version != VERSION:
        raise ManifestError(
            f"{where} has version {version}, and this program reads version {VERSION}: use the "
            "version of acoustid that wrote it, or a newer one"
        )
    try:
        found = _decode(content)
        _check(found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(where) from error
    return found


def _decode(content: dict[str, Any]) -> BackupManifest:
    found: BackupManifest = TypeAdapter(BackupManifest).validate_python(content)
    return found


def _check(manifest: BackupManifest) -> None:
    """Check what the types do not tell.

    Raises:
        ValueError: names of members are no plain names, a dump has no member, a time has no zone,
            or a logical database is missing or there twice.
    """
    for name in manifest.files:
        if not name or "/" in name or name.startswith(".") or name == NAME:
            raise ValueError(name)
    for dump in manifest.dumps:
        if dump.file not in manifest.files or dump.revisions.keys() != set(dump.names):
            raise ValueError(dump.file)
    names = [*manifest.left_out, *(name for dump in manifest.dumps for name in dump.names)]
    if sorted(names) != sorted(ORDER):
        raise ValueError(names)
    times = (manifest.created, *(dump.snapshot for dump in manifest.dumps))
    if any(each.tzinfo is None for each in times):
        raise ValueError(times)


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _damaged(where: str) -> ManifestError:
    return ManifestError(f"{where} has a damaged {NAME}: use another backup, or copy it again")
