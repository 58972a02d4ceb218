"""The tables of an export and their fields."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table of an export. The name of its files ends with its name.

    Attributes:
        name: such as ``track_mbid-update``.
        source: the table of the fingerprint database that has its rows.
        fields: the fields of the public service, in its order.
        own_fields: further fields, without which answers or ids would change. The public files do
            not have them.
        has_updates: whether a file also has the rows that were updated on its day.
    """

    name: str
    source: str
    fields: tuple[str, ...]
    own_fields: tuple[str, ...] = ()
    has_updates: bool = True


_TIMES: Final = ("created", "updated")

TRACK: Final = DataTable("track-update", "track", ("id", "gid", "new_id", *_TIMES))

META: Final = DataTable(
    "meta-update",
    "meta",
    ("id", "track", "artist", "album", "album_artist", "track_no", "disc_no", "year", "created"),
    ("gid",),
    has_updates=False,
)

FINGERPRINT: Final = DataTable(
    "fingerprint-update",
    "fingerprint",
    ("id", "fingerprint", "length", "created"),
    ("bitrate", "format"),  # the name of the format
    has_updates=False,
)
"""`fingerprint` is a list of the words as signed 32-bit numbers."""

TRACK_FINGERPRINT: Final = DataTable(
    "track_fingerprint-update",
    "fingerprint",
    ("id", "track_id", "fingerprint_id", "submission_count", *_TIMES),
)
"""`id` and `fingerprint_id` are equal: a fingerprint has one track."""

TRACK_MBID: Final = DataTable(
    "track_mbid-update",
    "track_mbid",
    ("id", "track_id", "mbid", "submission_count", "disabled", *_TIMES),  # disabled: only if true
    ("merged_into",),
)

TRACK_PUID: Final = DataTable(
    "track_puid-update", "track_puid", ("id", "track_id", "puid", "submission_count", *_TIMES)
)

TRACK_META: Final = DataTable(
    "track_meta-update", "track_meta", ("id", "track_id", "meta_id", "submission_count", *_TIMES)
)

TRACK_FOREIGNID: Final = DataTable(
    "track_foreignid-update",
    "track_foreignid",
    (),
    (
        "id",
        "track_id",
        "foreignid_id",
        "vendor_id",
        "vendor",
        "name",
        "submission_count",
        *_TIMES,
    ),
)
"""Not a table of the public service. `vendor` and `name` are the two parts of the foreign id."""

DELETION: Final = DataTable(
    "deletion-update",
    "deleted_row",
    (),
    ("id", "table_name", "row_id", "created"),
    has_updates=False,
)
"""Not a table of the public service, which does not publish deletions."""

TABLES: Final = (
    TRACK,
    META,
    TRACK_FINGERPRINT,
    FINGERPRINT,
    TRACK_MBID,
    TRACK_PUID,
    TRACK_META,
    TRACK_FOREIGNID,
    DELETION,
)
"""In an order in which rows can be imported: the rows that others refer to come first."""
