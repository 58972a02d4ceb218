"""The configuration in a backup: the operator's options, without what `acoustid up` adds."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.backup.configuration import SavedConfiguration, saved_configuration
from cli.backup.manifest import CONFIGURATION, STACK
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import UserConfig, write_effective
from cli.stack.selection import ChosenStack
from cli.stack.stack_record import StackRecord


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    made = DataDir.at(tmp_path / "data")
    made.create()
    return made


def of_stack(data: DataDir, environ: Mapping[str, str]) -> tuple[SavedConfiguration, StackRecord]:
    """Return what a backup saves of a stack that was started with an environment."""
    record = StackRecord.load(data).with_ports(postgres=5001, valkey=5002)
    record.save(data)
    write_effective(data, UserConfig.read(environ), record)
    return saved_configuration(ChosenStack(data, data.config, {})), record


def options(saved: SavedConfiguration) -> list[str]:
    lines = saved.members[CONFIGURATION].decode().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_a_stack_without_options_saves_none(data: DataDir) -> None:
    saved, record = of_stack(data, {})
    assert options(saved) == []
    assert json.loads(saved.members[STACK]) == {
        "cluster_secret": record.cluster_secret,
        "flower_password": record.flower_password,
    }
    assert saved.outside_files == ()


def test_the_options_of_file_and_environment_are_saved(data: DataDir, tmp_path: Path) -> None:
    config = tmp_path / "mine.conf"
    config.write_text("[api]\nlookup_timeout = 3\n[database_ingest]\nhost = db\npassword = pw1\n")
    environ = {"ACOUSTID_CONFIG": str(config), "ACOUSTID_CLUSTER_SECRET": "known"}
    saved, record = of_stack(data, environ)
    assert options(saved) == [
        *("[api]", "lookup_timeout = 3"),
        *("[database_ingest]", "host = db", "password = pw1"),
        *("[cluster]", "secret = known"),
    ]
    text = saved.members[CONFIGURATION].decode()
    assert record.postgres_password not in text
    assert record.valkey_password not in text


def test_the_saved_options_are_those_of_a_new_stack(data: DataDir, tmp_path: Path) -> None:
    first, _ = of_stack(data, {"ACOUSTID_REDIS_HOST": "r", "ACOUSTID_API_LOOKUP_TIMEOUT": "4"})
    restored = tmp_path / "restored.conf"
    restored.write_bytes(first.members[CONFIGURATION])
    other = DataDir.at(tmp_path / "other")
    other.create()
    second, _ = of_stack(other, {"ACOUSTID_CONFIG": str(restored)})
    assert options(second) == options(first)


def test_a_service_without_a_stack_saves_its_file_and_environment(tmp_path: Path) -> None:
    config, secret = tmp_path / "mine.conf", tmp_path / "secret"
    secret.write_text("pw")
    config.write_text("[database]\nport = 5433\npassword_file = secret\n")
    environ = {"ACOUSTID_DATABASE_PORT": "5434", "ACOUSTID_CONFIG": str(config)}
    saved = saved_configuration(ChosenStack(None, config, environ))
    assert options(saved) == ["[database]", f"password_file = {secret}", "port = 5434"]
    assert STACK not in saved.members
    assert saved.outside_files == (str(secret),)


def test_no_secret_is_in_the_text_of_the_object(data: DataDir) -> None:
    saved, record = of_stack(data, {"ACOUSTID_CLUSTER_SECRET": "known"})
    assert "known" not in repr(saved)
    assert record.flower_password not in repr(saved)
