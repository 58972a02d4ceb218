"""Columns that several tables have, and the names of constraints.

The tables with their other columns are in ``<database>/tables.py``.
"""

from typing import Any, Final

import sqlalchemy as sa

NAMING_CONVENTION: Final = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_fk_%(column_0_name)s",
    "ix": "%(table_name)s_idx_%(column_0_N_name)s",
    "uq": "%(table_name)s_key_%(column_0_N_name)s",
    "ck": "%(table_name)s_check_%(constraint_name)s",
}


def metadata() -> sa.MetaData:
    """Return an empty metadata whose constraints are named as in the public schema."""
    return sa.MetaData(naming_convention=NAMING_CONVENTION)


def primary_key() -> sa.Column[int]:
    """Return an ``id`` column that the database numbers."""
    return sa.Column("id", sa.Integer, sa.Identity(), primary_key=True)


def created() -> sa.Column[Any]:
    """Return the ``created`` column: when the row was inserted."""
    return sa.Column(
        "created", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
    )


def updated() -> sa.Column[Any]:
    """Return the ``updated`` column: when the row last changed, null before the first change."""
    return sa.Column("updated", sa.DateTime(timezone=True))


def submission_count() -> sa.Column[int]:
    """Return the ``submission_count`` column: the number of submissions that confirmed the row."""
    return sa.Column("submission_count", sa.Integer, nullable=False)
