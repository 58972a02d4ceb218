"""Prepared statements: prepared once, and answered whatever a pooler in between did to them."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pipeline.catalog.prepared import Prepared
from pipeline.runtime.databases import Databases

NUMBERS = sa.func.generate_series(1, 100).table_valued("number").render_derived()


@pytest.fixture
def connection(databases: Databases) -> Iterator[sa.Connection]:
    with databases.reading("fingerprint") as connection:
        yield connection


@pytest.fixture
def between() -> Prepared:
    bounds = (sa.bindparam(name, type_=sa.Integer) for name in ("least", "most"))
    return Prepared("between", sa.select(NUMBERS.c.number).where(NUMBERS.c.number.between(*bounds)))


def prepared(connection: sa.Connection) -> dict[str, int]:
    rows = connection.execute(
        sa.text("SELECT name, generic_plans + custom_plans FROM pg_prepared_statements")
    )
    return dict(rows.all())


def test_a_statement_is_prepared_once_for_a_connection(
    connection: sa.Connection, between: Prepared
) -> None:
    assert [row.number for row in between.execute(connection, least=3, most=5)] == [3, 4, 5]
    assert [row.number for row in between.execute(connection, least=99, most=200)] == [99, 100]
    assert prepared(connection) == {"between": 2}


def test_each_connection_prepares_it_for_itself(databases: Databases, between: Prepared) -> None:
    with databases.reading("fingerprint") as one, databases.reading("fingerprint") as other:
        for connection in (one, other, one):
            assert len(between.execute(connection, least=1, most=7)) == 7
        assert prepared(one) == {"between": 2}
        assert prepared(other) == {"between": 1}


def test_a_server_that_has_forgotten_it_answers(
    connection: sa.Connection, between: Prepared
) -> None:
    between.execute(connection, least=1, most=1)
    connection.execute(sa.text("DEALLOCATE ALL"))
    assert [row.number for row in between.execute(connection, least=3, most=5)] == [3, 4, 5]


def test_a_server_that_has_it_already_answers(connection: sa.Connection, between: Prepared) -> None:
    between.execute(connection, least=1, most=1)
    connection.info.clear()
    assert [row.number for row in between.execute(connection, least=3, most=5)] == [3, 4, 5]


def test_a_column_of_another_type_is_read(connection: sa.Connection) -> None:
    connection.execute(sa.text("CREATE TEMPORARY TABLE shaped AS SELECT 1 AS number"))
    column = Prepared("shape", sa.select(sa.column("number")).select_from(sa.table("shaped")))
    assert [row.number for row in column.execute(connection)] == [1]
    connection.execute(sa.text("ALTER TABLE shaped ALTER number TYPE text"))
    assert [row.number for row in column.execute(connection)] == ["1"]
    connection.execute(sa.text("DROP TABLE shaped"))


def test_other_errors_are_told(connection: sa.Connection, between: Prepared) -> None:
    with pytest.raises(sa.exc.DataError):
        between.execute(connection, least="three", most=5)
    assert len(between.execute(connection, least=3, most=5)) == 3


def test_a_per_cent_sign_is_one(connection: sa.Connection) -> None:
    odd = Prepared("odd", sa.select(NUMBERS.c.number).where(NUMBERS.c.number % 50 == 1))
    like = Prepared(
        "alike", sa.select(sa.literal_column("'100 %'").like(sa.bindparam("form", type_=sa.Text)))
    )
    assert [row.number for row in odd.execute(connection)] == [1, 51]
    assert like.execute(connection, form="%0 %").pop()[0] is True
