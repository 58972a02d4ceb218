"""Private tables are imported with their ids, in place of the rows that a new service made."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.input_files import find_files
from pipeline.bulk_import.files.run import import_files
from pipeline.bulk_import.rejects import Rejects
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.data_files.private_tables import PRIVATE_TABLES
from tests.integration.bulk_import.files.conftest import Target
from tests.support.data_files import write_catalogue

Content = dict[str, list[dict[str, Any]]]


def read_private(target: Target) -> Content:
    """Return the rows of all private tables."""
    content = {}
    for table in PRIVATE_TABLES:
        with target.databases.engine(table.database).connect() as connection:
            connection.execute(sa.text("SET LOCAL TimeZone = 'UTC'"))
            statement = f"SELECT row_to_json(t) FROM {table.name} t ORDER BY t"  # noqa: S608
            content[table.path] = list(connection.execute(sa.text(statement)).scalars())
    return content


def write_private(folder: Path, content: Content) -> None:
    for path, rows in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / path, "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def load(target: Target, folder: Path) -> None:
    with Rejects("stop", None, print) as rejects:
        import_files(
            target.settings, target.databases, find_files(folder), rejects, target, is_private=True
        )


def clear(target: Target) -> None:
    for table in PRIVATE_TABLES:
        with target.databases.engine(table.database).begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {table.name} RESTART IDENTITY CASCADE"))


@pytest.fixture
def made(target: Target, tmp_path: Path) -> Callable[[], Content]:
    """Write the files of a service with an account, a submission and its import."""
    write_catalogue(tmp_path, 1, count=100)
    with target.databases.engine("app").begin() as connection:
        application = "INSERT INTO application (id, name, version, apikey, account_id)"
        for statement in (
            "INSERT INTO account (id, name, apikey) VALUES (7, 'A', 'key of A')",
            f"{application} VALUES (9, 'P', '1', 'key of P', 7)",
            "UPDATE account SET application_id = 9",
            "INSERT INTO format (id, name) VALUES (4, 'FLAC')",
            "INSERT INTO source (id, application_id, account_id) VALUES (3, 9, 7)",
        ):
            connection.execute(sa.text(statement))
        ensure_demo(connection)
    with target.databases.engine("ingest").begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO submission (id, task_id, retry_at, account_id, application_id, gid, "
                "words, length) VALUES (5, gen_random_uuid(), now(), 7, 9, "
                "gen_random_uuid(), '\\x0102', 100)"
            )
        )
    content = read_private(target)
    write_private(tmp_path, content)
    clear(target)
    return lambda: content


def test_the_rows_of_a_new_service_are_replaced(
    target: Target, tmp_path: Path, made: Callable[[], Content]
) -> None:
    with target.databases.engine("app").begin() as connection:
        ensure_demo(connection)
    load(target, tmp_path)
    assert read_private(target) == made()
    load(target, tmp_path)
    assert read_private(target) == made()
    with target.databases.engine("ingest").begin() as connection:
        assert connection.scalar(sa.text("SELECT nextval('submission_id_seq')")) == 6


def test_another_account_with_the_id_stops_the_import(
    target: Target, tmp_path: Path, made: Callable[[], Content]
) -> None:
    with target.databases.engine("app").begin() as connection:
        connection.execute(
            sa.text("INSERT INTO account (id, name, apikey) VALUES (7, 'B', 'another key')")
        )
    with pytest.raises(
        DataImportError, match=r"app-account.jsonl.gz:2: the row of account"
    ) as error:
        load(target, tmp_path)
    assert "key of A" not in str(error.value)
    assert made()


def test_a_folder_without_private_files_is_refused(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 1, count=100)
    with pytest.raises(DataImportError, match="export --private"):
        load(target, tmp_path)
