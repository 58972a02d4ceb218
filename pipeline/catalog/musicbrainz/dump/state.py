"""The state files of a dump: schema, number of the last replication packet, time."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pipeline.catalog.musicbrainz.dump.dump_format import (
    REPLICATION_FILE,
    SCHEMA_FILE,
    SCHEMA_SEQUENCE,
    TIMESTAMP_FILE,
)
from pipeline.catalog.musicbrainz.dump.errors import DumpError

LONGEST: Final = 4096
"""Bytes of a state file that are read. A longer file is refused."""

_OLD_PREFIX: Final = "This snapshot was taken at "  # in dumps before 2006
_LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DumpState:
    """What the state files of a dump say; None for a file that the dump does not have.

    Attributes:
        schema_sequence: the version of the schema, always `SCHEMA_SEQUENCE`.
        replication_sequence: the last replication packet that the dump contains.
        timestamp: when the dump was made.
    """

    schema_sequence: int | None = None
    replication_sequence: int | None = None
    timestamp: datetime | None = None

    def with_file(self, name: str, content: bytes, where: str) -> "DumpState":
        """Return the state with the value of one more file.

        Args:
            name: the name of the file, one of `dump_format.STATE_FILES`.
            content: its bytes, up to one more than `LONGEST`.
            where: the place of the file, for errors.

        Raises:
            DumpError: the content is not valid, or the schema is another one.
        """
        try:
            text = content[: LONGEST + 1].decode("ascii").strip()
        except UnicodeDecodeError as error:
            raise DumpError(f"{where} is damaged: it is no text") from error
        if len(content) > LONGEST:
            raise DumpError(f"{where} is damaged: it is longer than {LONGEST} bytes")
        if name == SCHEMA_FILE:
            sequence = _number(text, where)
            require_schema(sequence, where)
            return replace(self, schema_sequence=sequence)
        if name == REPLICATION_FILE:
            # MusicBrainz writes an empty file if there were no packets yet.
            return replace(self, replication_sequence=_number(text, where) if text else None)
        if name == TIMESTAMP_FILE:
            return replace(self, timestamp=_time(text, where))
        raise ValueError(f"{name} is no state file")


def require_schema(sequence: int, where: str) -> None:
    """Refuse a dump of another version of the schema.

    Raises:
        DumpError: the version is not `SCHEMA_SEQUENCE`.
    """
    if sequence == SCHEMA_SEQUENCE:
        return
    action = (
        "load a newer dump"
        if sequence < SCHEMA_SEQUENCE
        else "install a version of this service that reads it, and keep the old copy until then"
    )
    raise DumpError(
        f"{where}: the dump has version {sequence} of MusicBrainz's schema, and this service reads "
        f"version {SCHEMA_SEQUENCE}: {action}"
    )


def _number(text: str, where: str) -> int:
    if not text.isdecimal() or len(text) > len(str(_LARGEST)) or int(text) > _LARGEST:
        raise DumpError(f"{where} is damaged: it has no whole number")
    return int(text)


def _time(text: str, where: str) -> datetime:
    try:
        time = datetime.fromisoformat(text.removeprefix(_OLD_PREFIX))
    except ValueError as error:
        raise DumpError(f"{where} is damaged: it has no time") from error
    if time.tzinfo is None:
        raise DumpError(f"{where} is damaged: its time has no time zone")
    return time
