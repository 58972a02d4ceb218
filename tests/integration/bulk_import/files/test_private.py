"""Private tables are imported with their ids, in place of the rows that a new service made."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.input_files import find_files
from pipeline.bulk_import.files.run import import_files
from pipeline.bulk_import.rejects import BadLineError, OnError, Rejects
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.data_files.private_tables import PRIVATE_TABLES
from tests.integration.bulk_import.files.conftest import Target
from tests.support.catalogue.exports import manifest_of, run_export
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


def load(
    target: Target,
    folder: Path,
    on_error: OnError = "stop",
    keys_changed: Callable[[], object] = bool,
) -> None:
    with Rejects(on_error, None, target.told.append) as rejects:
        import_files(
            target.settings,
            target.databases,
            find_files(folder),
            rejects,
            target,
            is_private=True,
            keys_changed=keys_changed,
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


def test_live_rows_get_ids_above_those_of_all_files(target: Target, tmp_path: Path) -> None:
    """A submission that arrives when only the accounts are there takes no id of a line."""
    run_export(target.databases, tmp_path, is_private=True)
    manifest = replace(manifest_of(tmp_path), highest_ids={"submission": 70, "edit": 8, "track": 9})
    (tmp_path / "manifest.json").write_text(manifest.to_json())
    seen = []

    def arrive() -> None:
        for database, table in (("ingest", "submission"), ("fingerprint", "edit")):
            with target.databases.engine(database).begin() as connection:
                seen.append(connection.scalar(sa.text(f"SELECT nextval('{table}_id_seq')")))

    load(target, tmp_path, keys_changed=arrive)
    assert seen == [71, 9, 72, 10]  # told of keys twice
    path = tmp_path / "private/app-account.jsonl.gz"
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(DataImportError, match=r"app-account\.jsonl\.gz has another SHA-256"):
        load(target, tmp_path)


def test_what_changed_since_an_import_stays(
    target: Target, tmp_path: Path, made: Callable[[], Content]
) -> None:
    """A second import of the same files, and one that goes on after a kill."""
    assert made()
    load(target, tmp_path)
    with target.databases.engine("app").begin() as connection:
        connection.execute(sa.text("UPDATE account SET apikey = 'new' WHERE id = 7"))
    with target.databases.engine("ingest").begin() as connection:
        connection.execute(sa.text("UPDATE submission SET state = 'imported', handled_at = now()"))
    before = read_private(target)
    load(target, tmp_path)
    assert read_private(target) == before
    target.execute("DELETE FROM import_progress WHERE file LIKE 'private/ingest%'")
    load(target, tmp_path)
    assert read_private(target) == before


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"name": "a\\u0000"}', "does not fit to its column"),
        (b'{"name": "\\ud800"}', "does not fit to its column"),
        (b'{"id": 1e400}', "does not fit to its column"),
        (b'{"id": 99999999999}', "does not fit to its column"),
        (b'{"id": true}', "does not fit to its column"),
        (b"{}", "does not fit to its column"),
    ],
)
def test_a_wrong_private_line_is_named(
    target: Target, tmp_path: Path, made: Callable[[], Content], line: bytes, reason: str
) -> None:
    rows = made()["private/app-format.jsonl.gz"]
    path = tmp_path / "private/app-format.jsonl.gz"
    text = json.dumps(rows[0] | {"name": "\\u0000"})  # a backslash and letters, no NUL
    path.write_bytes(gzip.compress(line + b"\n" + text.encode()))
    with pytest.raises(BadLineError, match=f"^{path}:1: .*{reason}"):
        load(target, tmp_path)
    load(target, tmp_path, "skip")
    assert [told.split(": ")[0] for told in target.told] == [f"{path}:1"]
    with target.databases.engine("app").connect() as connection:
        assert connection.scalars(sa.text("SELECT name FROM format")).all() == ["\\u0000"]


def test_a_folder_without_private_files_is_refused(target: Target, tmp_path: Path) -> None:
    write_catalogue(tmp_path, 1, count=100)
    with pytest.raises(DataImportError, match="export --private"):
        load(target, tmp_path)
