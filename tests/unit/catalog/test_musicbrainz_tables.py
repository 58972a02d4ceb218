"""The tables of MusicBrainz are those of the package mbdata."""

import pytest
import sqlalchemy as sa

from pipeline.catalog.musicbrainz.tables import METADATA, SCHEMA

Shape = list[tuple[str, str, bool]]

# To PostgreSQL these are the same: a text without a limit.
SAME = {"VARCHAR": "TEXT"}


def declared_by_mbdata() -> dict[str, sa.Table]:
    """Return mbdata's tables by name."""
    from mbdata import models  # noqa: PLC0415 - only this test needs it

    classes = (each for each in vars(models).values() if hasattr(each, "__table__"))
    return {each.__table__.name: each.__table__ for each in classes}


def shape(table: sa.Table) -> Shape:
    """Return the columns in their order: name, type, whether it may be null."""
    return [
        (column.name, SAME.get(str(column.type), str(column.type)), bool(column.nullable))
        for column in table.columns
    ]


@pytest.mark.parametrize("table", METADATA.sorted_tables, ids=lambda table: table.name)
def test_columns_are_those_of_a_mirror(table: sa.Table):
    """Names, order and types are those of MusicBrainz, so a dump can be loaded unchanged."""
    theirs = declared_by_mbdata()[table.name]
    assert table.schema == SCHEMA
    assert shape(table) == shape(theirs)
    assert [c.name for c in table.primary_key] == [c.name for c in theirs.primary_key]
