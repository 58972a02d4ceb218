"""A private export has the whole tables that a new service needs to go on."""

import json
import os
import stat
from pathlib import Path

import sqlalchemy as sa

from pipeline.catalog import migrate
from pipeline.data_files.private_tables import PRIVATE_TABLES
from pipeline.runtime.databases import Databases
from tests.support.catalogue.exports import manifest_of, names, read_lines, run_export
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

LEFT_OUT = {"app": {"maintenance"}, "ingest": set()}


def test_each_private_table_has_a_file() -> None:
    """So a table that is added later is not forgotten."""
    for database, left_out in LEFT_OUT.items():
        found = {table.name for table in PRIVATE_TABLES if table.database == database}
        tables = {table.name for table in migrate.METADATA[database].tables.values()}
        assert found == tables - left_out
    assert len({table.path for table in PRIVATE_TABLES}) == len(PRIVATE_TABLES)


def test_rows_come_back_unchanged(importer: Importer, databases: Databases, out: Path) -> None:
    """PostgreSQL reads each line as the row that it was: bytes, JSON, addresses, nulls."""
    importer.receive([importer.receipt(fingerprint(2), meta={"track": "waits", "year": None})])
    with databases.engine("app").begin() as connection:
        connection.execute(
            sa.text("UPDATE account SET created_from = '2001:db8::5', name = E'a\\n\\u2028\"b'")
        )
        connection.execute(sa.text("UPDATE application SET rate_limit = 0.1"))
    run_export(databases, out, is_private=True)
    for table in PRIVATE_TABLES:
        rows = read_lines(out / table.path)
        assert manifest_of(out).files[table.path].rows == len(rows)
        source = migrate.METADATA[table.database].tables[table.name]
        read = sa.func.json_populate_recordset(sa.text(f"NULL::{table.name}"), json.dumps(rows))
        written = read.table_valued(*(sa.column(each.name, each.type) for each in source.c))
        with databases.engine(table.database).begin() as connection:
            found = connection.execute(sa.select(written)).all()
            assert (
                found == connection.execute(sa.select(source).order_by(*source.primary_key)).all()
            )


def test_only_the_owner_reads_private_files(
    importer: Importer, databases: Databases, out: Path
) -> None:
    """Whatever the umask is. Public files have the mode that the umask gives."""
    assert importer
    old = os.umask(0o022)
    try:
        run_export(databases, out, is_private=True)
    finally:
        os.umask(old)
    assert stat.S_IMODE((out / "private").stat().st_mode) == 0o700
    modes = {name: stat.S_IMODE((out / name).stat().st_mode) for name in names(out)}
    assert {mode for name, mode in modes.items() if name.startswith("private/")} == {0o600}
    assert {mode for name, mode in modes.items() if name.startswith("2")} == {0o644}


def test_the_highest_ids_of_all_tables(importer: Importer, databases: Databases, out: Path) -> None:
    importer.receive([importer.receipt(fingerprint(2))])
    run_export(databases, out, is_private=True)
    manifest = manifest_of(out)
    assert manifest.is_private
    assert (manifest.highest_ids["submission"], manifest.highest_ids["account"]) == (2, 1)
