"""Entries: the fingerprints, with their fields, of a file of lines or of audio files."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cli.commands.client.audio_seconds import RANGE, whole_seconds
from pipeline.submission_fields import SUBMISSION_FIELDS

Pairs = list[tuple[str, str]]

# Fields of a line, and the parameters of the service.
PARAMETERS: Final[Mapping[str, str]] = {
    "format": "fileformat",
    **{field.parameter: field.parameter for field in SUBMISSION_FIELDS},
}

_REPEATED: Final = frozenset({"mbid"})
"""The fields that may be a list of several values."""


class InvalidEntryError(ValueError):
    """An entry has a field that cannot be sent. The text says what to change."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One fingerprint with its fields.

    Attributes:
        position: its number in its file or folder, ascending from 1; for a line the number of the
            line. It is the suffix of the parameters, and the place where a resumed run goes on.
        name: how messages name it, for example ``line 7`` or the path of an audio file.
        identity: bytes that differ if another input has another entry at this position, for
            example the line, or the path and size of an audio file.
        fields: the fields of a line: `fingerprint`, `duration`, `mbid`, `track` and so on.
    """

    position: int
    name: str
    identity: bytes = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line or an audio file that cannot be sent.

    Attributes:
        position: as in `Entry`.
        name: as in `Entry`.
        identity: as in `Entry`.
        reason: why it is refused, and what to change.
    """

    position: int
    name: str
    identity: bytes = field(repr=False)
    reason: str


Item = Entry | Refusal

IsDone = Callable[[int, bytes], bool]
"""Returns whether an earlier run has done an entry, by its position and its identity."""


def never_done(_position: int, _identity: bytes) -> bool:
    """Return that no earlier run has done an entry."""
    return False


def lookup_pairs(entry: Entry) -> Pairs:
    """Return the parameters of a lookup, without suffixes.

    Raises:
        InvalidEntryError: the fingerprint or the duration is missing or not valid.
    """
    pairs = excerpt_pairs(entry)
    if len(pairs) == 1:
        raise InvalidEntryError("duration is missing")
    return pairs


def excerpt_pairs(entry: Entry) -> Pairs:
    """Return the parameters of the lookup of an excerpt, whose duration is optional.

    Raises:
        InvalidEntryError: the fingerprint is missing, or a field is not valid.
    """
    fingerprint = entry.fields.get("fingerprint")
    if fingerprint in (None, ""):
        raise InvalidEntryError("fingerprint is missing")
    if not isinstance(fingerprint, str):
        raise InvalidEntryError("fingerprint must be a text")
    duration = entry.fields.get("duration")
    if duration in (None, ""):
        return [("fingerprint", fingerprint)]
    seconds = whole_seconds(duration)
    if seconds is None:
        raise InvalidEntryError(f"duration must be {RANGE}")
    return [("duration", str(seconds)), ("fingerprint", fingerprint)]


def submission_pairs(entry: Entry) -> Pairs:
    """Return the parameters of a submission, without suffixes, unknown and empty fields.

    Raises:
        InvalidEntryError: the fingerprint or the duration is missing, or a field is not valid.
    """
    required = dict(lookup_pairs(entry))
    return [
        (parameter, required.get(name, value))
        for name, parameter in PARAMETERS.items()
        for value in _texts(name, entry.fields.get(name))
    ]


def _texts(name: str, values: object) -> Iterator[str]:
    """Yield the values of a field that are not empty, as texts."""
    found = [
        each for each in (values if isinstance(values, list) else [values]) if not _empty(each)
    ]
    if len(found) > 1 and name not in _REPEATED:
        raise InvalidEntryError(f"{name} must have one value, not a list")
    for value in found:
        yield _text(name, value)


def _empty(value: object) -> bool:
    return value is None or value == ""


def _text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidEntryError(f"{name} must be a text or a number")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidEntryError(f"{name} must be a finite number")
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)
