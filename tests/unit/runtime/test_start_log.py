"""The lines that each process logs at its start."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cli.stack.servers.ports import free_port
from pipeline.runtime.start_log import log_start
from pipeline.settings.sections import Settings
from tests.support.processes.servers import Servers


def logged(settings: Settings) -> dict[str, dict[str, object]]:
    """Return the records of a start, by their text."""
    with capture_logs() as records:
        log_start(settings)
    return {str(record["event"]): dict(record) for record in records}


def test_the_files_of_a_process_are_logged(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACOUSTID_CONFIG", "mine.conf")
    settings = servers.settings(
        fingerprint_index={"path": "/srv/index"}, fingerprint_store={"path": "/srv/store"}
    )
    records = logged(settings)
    assert list(records) == ["files of this process"]
    [record] = records.values()
    assert record["settings"] == str(tmp_path / "mine.conf")
    assert (record["index"], record["store"]) == ("/srv/index", "/srv/store")


def test_an_index_on_servers_and_no_store_are_logged(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACOUSTID_CONFIG", raising=False)
    index = {"protocol": "http", "host": "one", "replicas": "two:7", "name": "main"}
    settings = servers.settings(fingerprint_index=index, fingerprint_store={"enabled": False})
    [record] = logged(settings).values()
    assert record["settings"] == "none"
    assert (record["index"], record["store"]) == ("main on one:6081, two:7", "off")


def test_an_unreachable_redis_is_logged_with_its_reason() -> None:
    port = free_port()
    settings = Settings.model_validate({"redis": {"host": "127.0.0.1", "port": port}})
    record = logged(settings)["Redis cannot be used"]
    assert record["log_level"] == "error"
    assert f"Redis at 127.0.0.1:{port}: " in str(record["reason"])
