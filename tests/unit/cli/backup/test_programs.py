"""The search for pg_dump and pg_restore, and what they get."""

from pathlib import Path

import pytest
from psycopg2.extensions import parse_dsn
from pydantic import SecretStr

from cli.backup.programs import connection_text, find_program, program_environment
from cli.stack.servers.binaries import BinariesError
from pipeline.settings.sections import DatabaseSettings

DATABASE = DatabaseSettings(
    name="a b='c",
    user="us er",
    password=SecretStr("very-secret"),
    host="::1",
    port=5433,
    sslmode="verify-full",
    sslrootcert=Path("/x/ca.pem"),
)


def program(folder: Path, version: str, name: str = "pg_dump") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version}"\n')
    path.chmod(0o755)
    return path


def test_a_directory_is_the_only_one(tmp_path: Path) -> None:
    made = program(tmp_path / "bin", "99.1 (Debian 99.1-1)")
    found = find_program("pg_dump", 18, tmp_path / "bin")
    assert (found.path, found.version) == (made, 99)


def test_the_oldest_program_that_knows_the_server_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "99.1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    assert find_program("pg_dump", 10).version < 99
    assert find_program("pg_dump", 99).version == 99


def test_a_program_that_is_too_old_is_refused(tmp_path: Path) -> None:
    program(tmp_path / "bin", "14.2")
    with pytest.raises(BinariesError, match=r"is of PostgreSQL 14, and version 18 or a later one"):
        find_program("pg_dump", 18, tmp_path / "bin")


def test_a_missing_or_broken_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match=r"there is no pg_restore in .*--postgres-bin"):
        find_program("pg_restore", 18, tmp_path)
    (tmp_path / "pg_restore").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BinariesError, match="there is no pg_restore"):
        find_program("pg_restore", 18, tmp_path)


def test_the_arguments_have_the_address_and_not_the_password() -> None:
    text = connection_text(DATABASE, "tests")
    assert "very-secret" not in text
    found = parse_dsn(text)
    assert {name: found[name] for name in ("host", "port", "user", "dbname")} == {
        "host": "::1",
        "port": "5433",
        "user": "us er",
        "dbname": "a b='c",
    }
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/x/ca.pem")
    assert found["application_name"] == "tests"


def test_the_environment_has_the_password_and_the_callers_variables_of_libpq() -> None:
    environ = {"PGSSLMODE": "require", "ACOUSTID_CLUSTER_SECRET": "other-secret", "PATH": "/bin"}
    found = program_environment(DATABASE, environ)
    assert found == {
        "PGSSLMODE": "require",
        "PATH": "/bin",
        "PGPASSWORD": "very-secret",
        "LC_ALL": "C",
    }


def test_without_a_password_libpq_searches_for_one() -> None:
    database = DATABASE.model_copy(update={"password": SecretStr("")})
    assert program_environment(database, {"PGPASSWORD": "mine"}) == {
        "PGPASSWORD": "mine",
        "LC_ALL": "C",
    }
