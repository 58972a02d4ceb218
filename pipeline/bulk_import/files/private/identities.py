"""Which columns say that two rows with one key are the same row. The others may change."""

from collections.abc import Mapping
from typing import Final

from pipeline.data_files.private_tables import PrivateTable

_BY_DAY: Final = ("date", "application_id")

_IDENTITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "format": ("name",),
    "source": ("application_id", "account_id", "version"),
    "stats": ("name", "date"),
    "stats_lookups": (*_BY_DAY, "hour"),
    "stats_user_agents": (*_BY_DAY, "user_agent"),  # addresses are erased after some time
    "account_openid": (),
    "account_google": (),
    "pruned_submission": (),
    "received_file": (),
}


def identity_of(table: PrivateTable) -> tuple[str, ...]:
    """Return the columns whose values never change, in addition to the primary key.

    Most tables have the time at which the row was made, in microseconds.
    """
    return _IDENTITIES.get(table.name, ("created",))
