r"""The private tables of an export: accounts, keys, submissions and what refers to them.

Only ``acoustid export --private`` writes them, whole tables each time, into the folder
``private/``. A line is a row as PostgreSQL's ``row_to_json`` writes it in UTC: all columns under
their names, nulls too; ``bytea`` is a text such as ``\x00ff``. ``json_populate_record`` reads it.
"""

from dataclasses import dataclass
from typing import Final, Literal

FOLDER: Final = "private"
"""The folder below that of the export."""

_SUFFIX: Final = ".jsonl.gz"


@dataclass(frozen=True, slots=True)
class PrivateTable:
    """A table that is exported whole.

    Attributes:
        database: the logical database.
        name: the table.
    """

    database: Literal["app", "ingest", "fingerprint"]
    name: str

    @property
    def path(self) -> str:
        """The path of its file below the folder of an export."""
        return f"{FOLDER}/{self.database}-{self.name}{_SUFFIX}"


PRIVATE_TABLES: Final = (
    *(
        PrivateTable("app", name)
        for name in (
            "account",  # its application_id refers to a later table
            "application",
            "account_openid",
            "account_google",
            "rotated_key",
            "format",
            "source",
            "stats",
            "stats_lookups",
            "stats_user_agents",
            "stats_folded",
        )
    ),
    *(PrivateTable("fingerprint", name) for name in ("submission_import", "edit")),
    *(
        PrivateTable("ingest", name)
        for name in (
            "submission",
            "pruned_submission",
            "nats_message",
            "submission_result",
            "fingerprint_source",
            "track_mbid_source",
            "track_puid_source",
            "track_meta_source",
            "track_foreignid_source",
            "track_mbid_change",
            "outbox",
            "received_file",
        )
    ),
)
"""In an order in which rows can be imported: the rows that others refer to come first.

`maintenance` of the app database is left out: it is the condition of a service, not its data.
"""

_BY_PATH: Final = {table.path: table for table in PRIVATE_TABLES}


def private_table(path: str) -> PrivateTable | None:
    """Return the table of a path below the folder of an export; None if it is another file."""
    return _BY_PATH.get(path)
