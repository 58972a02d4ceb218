"""What a MusicBrainz dump has, as `admin/ExportAllTables` of musicbrainz-server writes it.

All tables that this service reads are in one archive, ``mbdump.tar.bz2``: they are in
`@CORE_TABLE_LIST` of ``MusicBrainz::Server::Constants``. The archive has the state files first,
then ``mbdump/<table>`` in the order of that list: the output of ``COPY <table> TO STDOUT``. Tables
without rows are left out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pipeline.catalog.musicbrainz.tables import METADATA

SCHEMA_SEQUENCE: Final = 31
"""The version of MusicBrainz's schema whose columns `pipeline.catalog.musicbrainz.tables` has.

MusicBrainz's own name is ``DB_SCHEMA_SEQUENCE``. A new version of the schema is released at most
twice a year; change this number together with the tables.
"""

FOLDER: Final = "mbdump"
"""The directory of the tables in a dump's archive."""

SCHEMA_FILE: Final = "SCHEMA_SEQUENCE"
REPLICATION_FILE: Final = "REPLICATION_SEQUENCE"
TIMESTAMP_FILE: Final = "TIMESTAMP"

STATE_FILES: Final = (SCHEMA_FILE, REPLICATION_FILE, TIMESTAMP_FILE)
"""The files at the start of an archive that say which state of MusicBrainz it has."""

TABLES: Final = tuple(sorted(table.name for table in METADATA.tables.values()))
"""The names of the tables that are loaded."""

OPTIONAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "area": "no effect on lookups",
        "artist_credit": "no effect on lookups",
        "iso_3166_1": "release events have no countries",
        "isrc": "lookups have no ISRCs",
        "medium_format": "mediums have no formats",
        "recording_gid_redirect": "redirects of merged MBIDs are unknown",
        "release_country": "releases have no events with a country",
        "release_group_primary_type": "release groups have no primary types",
        "release_group_secondary_type": "release groups have no secondary types",
        "release_group_secondary_type_join": "release groups have no secondary types",
        "release_unknown_country": "releases have no events without a country",
        "replication_control": (
            "the date of the dump is unknown, so missing MBIDs are not disabled"
        ),
    }
)
"""Optional tables, and the effect if each has no rows."""
