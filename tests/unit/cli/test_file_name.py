"""An empty argument is no file name, and a data directory is checked only when it is used."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.exit_status import ExitStatus
from cli.main import main
from tests.support.clients.scripted_server import Scripted, scripted_server

SERVER = ["--server", "http://127.0.0.1:1", "--client", "x"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["identify", ""],
        ["identify", "song.mp3", ""],
        ["identify", "--write-tags", "--yes", ""],
        ["submit", "--user", "u", ""],
        ["submit", "--user", "u", "", "song.mp3"],
        ["submit", "--user", "u", "--resume", "", "song.mp3"],
        ["lookup", ""],
        ["lookup", "--data-dir", "", "AQAA"],
    ],
)
def test_an_empty_file_name_is_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "song.wav").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(main, [*arguments, *SERVER])
    assert answer.exit_code == ExitStatus.USAGE, answer.output
    assert "an empty file name" in answer.stderr
    assert "song" not in answer.output


@pytest.mark.parametrize("kind", ["file", "closed directory", "loop"])
def test_a_server_needs_no_data_directory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".acoustid"
    if kind == "file":
        path.touch()
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.mkdir()
        path.chmod(0)
        # The superuser may read all: the function that click asks says no.
        monkeypatch.setattr("click.types.os.access", lambda *_: False)
    monkeypatch.chdir(tmp_path)
    lookup = ["lookup", "AQAA", "--duration", "10", "--client", "x"]
    with scripted_server(lambda *_: Scripted(body={"status": "ok", "results": []})) as server:
        answer = CliRunner().invoke(main, [*lookup, "--server", server.address])
        assert answer.exit_code == ExitStatus.OK, answer.output
    answer = CliRunner().invoke(main, lookup)
    assert answer.exit_code in {ExitStatus.FAILED, ExitStatus.NO_STACK}, answer.output
    assert ".acoustid" in answer.stderr
