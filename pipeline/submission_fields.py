"""The fields of a submission, declared once.

A field of `Receipt` with metadata is a parameter of ``/v2/submit`` and a column of the table
``submission``. An entry of `METADATA_FIELDS` is a parameter of ``/v2/submit``, a key of the JSON
column ``submission.meta``, and a column of the table ``meta``. The rest of the code uses these
two declarations:

* ``api/submissions/request.py`` parses and checks the parameters;
* ``pipeline/catalog/ingest/`` stores and loads the columns;
* ``pipeline/catalog/fingerprint/submitted_links.py`` cleans and stores the metadata;
* ``api/openapi/`` describes the parameters;
* ``acoustid submit`` sends them.

To add a field, declare it here, write a migration that adds the column, and add a row to the table
of parameters in ``docs/api.md``. ``python -m nats_bridge.ingest.message_schema`` writes
``docs/nats-message.schema.json``, the schema of messages from NATS. A new `Kind` also needs a
parser (``api/submissions/request.py``), a column type (``pipeline/catalog/ingest/tables.py``) and a
schema (``api/openapi/parameters.py``, ``nats_bridge/ingest/message_schema.py``).
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import numpy as np
    from numpy.typing import NDArray


MAX_DURATION: Final = 32767
"""The maximum duration, in seconds, that fits the column."""

MAX_BITRATE: Final = 32767
"""The maximum bit rate, in kbit/s, that fits the column."""


class Kind(Enum):
    """How the values of a field are checked, stored and described."""

    FINGERPRINT = auto()
    """A compressed fingerprint; stored as its 32-bit words."""

    DURATION = auto()
    """Seconds, 1 to `MAX_DURATION`; a decimal fraction is rounded half up."""

    BITRATE = auto()
    """kbit/s, 1 to `MAX_BITRATE`; 0 is the same as no value."""

    TEXT = auto()
    """A text; cut to 255 characters."""

    UUID = auto()
    """A UUID; the nil UUID and an empty value are the same as no value."""

    UUIDS = auto()
    """Any number of UUIDs; each becomes a separate submission. An empty value is an error."""

    FOREIGN_ID = auto()
    """``vendor:id``, at most 255 characters."""

    METADATA_TEXT = auto()
    """A text of any length in the metadata."""

    METADATA_NUMBER = auto()
    """A 32-bit integer in the metadata; larger ones are ignored."""


@dataclass(frozen=True, slots=True)
class SubmissionField:
    """One parameter of a submission.

    Attributes:
        parameter: its name in version 2 of the protocol.
        kind: the kind of its values, which determines checks and storage.
        description: its description in the OpenAPI document.
        v1_parameter: its name in version 1, if that is different.
        check_order: fields are checked in this order, that of the public service, and the first
            error is reported. Fields with the same number are checked in the order below.
        comment: the comment of the column.
        max_value: maximum of a number in the metadata; larger ones are left out.
    """

    parameter: str
    kind: Kind
    description: str
    v1_parameter: str | None = None
    check_order: int = 100
    comment: str | None = None
    max_value: int | None = None

    def name(self, version: int) -> str:
        """Return the parameter's name in a version of the protocol, 1 or 2."""
        return self.v1_parameter or self.parameter if version == 1 else self.parameter


_FIELD: Final = "submission field"
"""The key of a `SubmissionField` in the metadata of a dataclass field."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A submission as it was received, parsed and checked.

    Attributes:
        application_version: the parameter ``clientversion`` of the whole request.
        words: uint32[n].
        length: seconds of audio.
        bitrate: kbit/s.
        meta: the values of `METADATA_FIELDS`, cleaned; None if none was sent.
    """

    account_id: int
    application_id: int
    application_version: str | None
    words: NDArray[np.uint32] = field(
        metadata={
            _FIELD: SubmissionField(
                "fingerprint",
                Kind.FINGERPRINT,
                "Chromaprint fingerprint as fpcalc prints it (algorithm 2).",
                check_order=5,
                comment="32-bit words, little-endian",
            )
        }
    )
    length: int = field(
        metadata={
            _FIELD: SubmissionField(
                "duration",
                Kind.DURATION,
                "Length of the whole file in seconds. A fraction is rounded half up.",
                v1_parameter="length",
                check_order=4,
                comment="seconds of audio",
            )
        }
    )
    bitrate: int | None = field(
        default=None,
        metadata={
            _FIELD: SubmissionField(
                "bitrate",
                Kind.BITRATE,
                "Bit rate of the file in kbit/s.",
                check_order=6,
                comment="kbit/s",
            )
        },
    )
    format: str | None = field(
        default=None,
        metadata={
            _FIELD: SubmissionField(
                "fileformat", Kind.TEXT, "Format of the file, such as `MP3`.", v1_parameter="format"
            )
        },
    )
    meta: dict[str, Any] | None = None
    mbid: UUID | None = field(
        default=None,
        metadata={
            _FIELD: SubmissionField(
                "mbid",
                Kind.UUIDS,
                "MBID of a recording; the parameter may be repeated.",
                check_order=3,
            )
        },
    )
    puid: UUID | None = field(
        default=None,
        metadata={
            _FIELD: SubmissionField(
                "puid", Kind.UUID, "PUID of the recording (retired).", check_order=1
            )
        },
    )
    foreignid: str | None = field(
        default=None,
        metadata={
            _FIELD: SubmissionField(
                "foreignid",
                Kind.FOREIGN_ID,
                "Id of the recording in another service, `vendor:id`.",
                check_order=2,
            )
        },
    )


COLUMN_FIELDS: Final[Mapping[str, SubmissionField]] = {
    each.name: each.metadata[_FIELD] for each in fields(Receipt) if _FIELD in each.metadata
}
"""The parameters that are stored in columns of the table ``submission``, by column."""

DURATION: Final = COLUMN_FIELDS["length"]
"""The duration; lookups have the same parameter."""

REQUIRED_COLUMNS: Final = frozenset(
    each.name for each in fields(Receipt) if each.default is MISSING
)
"""The columns that every submission has."""

_MAX_POSITION: Final = 10_000
"""Larger track and disc numbers are ignored, as in the public service."""

# `meta_gid` hashes the values in this order: add new fields at the end.
METADATA_FIELDS: Final[Mapping[str, SubmissionField]] = {
    "track": SubmissionField("track", Kind.METADATA_TEXT, "Title of the recording."),
    "artist": SubmissionField("artist", Kind.METADATA_TEXT, "Artist of the recording."),
    "album": SubmissionField("album", Kind.METADATA_TEXT, "Title of the album."),
    "album_artist": SubmissionField("albumartist", Kind.METADATA_TEXT, "Artist of the album."),
    "track_no": SubmissionField(
        "trackno",
        Kind.METADATA_NUMBER,
        "Number of the track on the medium.",
        max_value=_MAX_POSITION,
    ),
    "disc_no": SubmissionField(
        "discno", Kind.METADATA_NUMBER, "Number of the medium.", max_value=_MAX_POSITION
    ),
    "year": SubmissionField("year", Kind.METADATA_NUMBER, "Year of the release."),
}
"""The parameters that are stored in the JSON column ``submission.meta``, by key."""

SUBMISSION_FIELDS: Final = (*COLUMN_FIELDS.values(), *METADATA_FIELDS.values())
"""All parameters of one submission, in the order of the documentation."""
