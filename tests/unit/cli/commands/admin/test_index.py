"""``acoustid index verify`` on the folder of a server, of an index, and of the stack."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cli.main import main
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import CreateRequest, IndexRegistry
from index_server.state import State, write_state
from index_server.update_batching import UpdateRequest
from pipeline.index import Insert


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a server: `a`, `b` with one fingerprint each, and `gone`, which is deleted."""
    monkeypatch.setenv("ACOUSTID_CONFIG", str(tmp_path / "none.conf"))
    directory = tmp_path / "served"
    indexes = IndexRegistry(directory, IndexServerMetrics())
    for name in ("a", "b", "gone"):
        insert = Insert(1, np.array([5, 9], dtype=np.uint32))
        indexes.create(name, CreateRequest()).update(UpdateRequest([insert]))
    indexes.delete("gone")
    indexes.close()
    return directory


def run(*arguments: str | Path) -> Result:
    """Run a command of ``acoustid index``."""
    return CliRunner().invoke(main, ["index", *map(str, arguments)])


def damage(engine: Path) -> Path:
    """Change a byte of a segment. Return its file."""
    (segment,) = engine.glob("*.segment")
    content = bytearray(segment.read_bytes())
    content[64] ^= 1
    segment.write_bytes(content)
    return segment


def test_verify_reads_every_index_of_a_server_without_a_configuration(served: Path) -> None:
    answer = run("verify", "--dir", served)
    assert answer.exit_code == 0, answer.output
    assert answer.output.splitlines() == [f"{served}/a: intact", f"{served}/b: intact"]


@pytest.mark.parametrize("below", ["a", "a/v000001"])
def test_verify_accepts_the_folder_of_an_index_or_of_its_engine(served: Path, below: str) -> None:
    damage(served / "b" / "v000001")
    answer = run("verify", "--dir", served / below)
    assert (answer.exit_code, answer.output) == (0, f"{served / below}: intact\n")


def test_verify_prints_every_damaged_file(served: Path) -> None:
    segment = damage(served / "a" / "v000001")
    (served / "c").mkdir()
    (served / "c" / "state").write_bytes(b"{}")
    answer = run("verify", "--dir", served)
    assert answer.exit_code == 1
    lines = answer.output.splitlines()
    assert lines[0].startswith(f"{segment}: has damaged documents")
    assert lines[1] == f"{served}/b: intact"
    assert lines[2].startswith(f"{served}/c/state is damaged")
    assert "damaged: 2 of 3" in lines[3]


def test_missing_files_are_damage(served: Path) -> None:
    (served / "a" / "v000001" / "manifest").unlink()
    shutil.rmtree(served / "b" / "v000001")
    for folder, lost in (
        (served, "a/v000001/manifest is missing"),
        (served, "b/v000001 is missing"),
        (served / "a", "a/v000001/manifest is missing"),
        (served / "a" / "v000001", "a/v000001/manifest: is missing although segments exist"),
        (served / "b", "b/v000001 is missing"),
    ):
        answer = run("verify", "--dir", folder)
        assert answer.exit_code == 1
        assert f"{served}/{lost}" in answer.output


@pytest.mark.parametrize("below", ["", "a"])
def test_verify_and_restore_name_a_missing_state_file(served: Path, below: str) -> None:
    (served / "a" / "state").unlink()
    (served.parent / "some.snapshot").touch()
    checked = run("verify", "--dir", served / below)
    restored = run("restore", "--dir", served, "a", served.parent / "some.snapshot")
    for answer in (checked, restored):
        assert answer.exit_code == 1
        assert f"{served}/a/state is missing, but {served}/a/v000001 has data" in answer.output
        assert "rebuild it" not in answer.output
    assert (served / "a" / "v000001" / "manifest").exists()


def test_verify_names_a_file_with_an_unknown_name(served: Path) -> None:
    stray = served / "a" / "v000001" / "x.segment"
    stray.touch()
    answer = run("verify", "--dir", served)
    assert answer.exit_code == 1
    assert answer.output.startswith(f"{stray}: has the suffix of a segment")


@pytest.mark.parametrize("below", ["new", "new/deeper"])
def test_a_failed_restore_leaves_no_folder(tmp_path: Path, below: str) -> None:
    damaged = tmp_path / "damaged.snapshot"
    damaged.write_bytes(b"none")
    answer = run("restore", "--dir", tmp_path / below, "a", damaged)
    assert answer.exit_code == 1
    assert "it has no snapshot header" in answer.output
    assert list(tmp_path.iterdir()) == [damaged]


def test_an_index_deleted_during_the_check_is_skipped(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(path: Path) -> list[str]:
        write_state(path.parent, State(1, deleted=True, removing=True))
        return [f"{path}: half gone"]

    monkeypatch.setattr("index_server.offline.verify", late)
    answer = run("verify", "--dir", served)
    assert answer.exit_code == 1
    assert f"{served} contains no index" in answer.output


def test_a_folder_without_an_index_is_an_error(served: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", served / "gone"):
        answer = run("verify", "--dir", folder)
        assert answer.exit_code == 1
        assert f"{folder} contains no index" in answer.output
    assert run("verify", "--dir", tmp_path / "nowhere").exit_code == 2


@pytest.mark.parametrize("name", ["verify", "check"])
def test_verify_and_its_former_name_check_read_the_index_of_the_stack(
    name: str, served: Path, tmp_path: Path
) -> None:
    engine = served / "a" / "v000001"
    (tmp_path / "none.conf").write_text(f"[fingerprint_index]\npath = {engine}\n")
    answer = run(name)
    assert (answer.exit_code, answer.stdout) == (0, "the index is intact\n")
    assert answer.stderr == f"index: {engine}\n"
    segment = damage(engine)
    answer = run(name)
    assert answer.exit_code == 1
    assert answer.stdout.startswith(f"{segment}: has damaged documents")
    assert "run `acoustid index rebuild`" in answer.output


@pytest.mark.parametrize(
    ("command", "section", "option", "noun", "file"),
    [
        ("index verify", "fingerprint_index", "path", "index", "nowhere/x.segment"),
        (
            "store check",
            "fingerprint_store",
            "path",
            "fingerprint store",
            "nowhere/x.fingerprints",
        ),
        (
            "index verify --sketch",
            "fingerprint_index",
            "sketch_path",
            "sketch index",
            "nowhere/rate-8/x.segment",
        ),
    ],
)
def test_a_wrong_path_is_not_damage(
    command: str, section: str, option: str, noun: str, file: str, tmp_path: Path
) -> None:
    """The advice to rebuild would fill the wrong folder."""
    stray = tmp_path / file
    config = tmp_path / "wrong.conf"
    config.write_text(
        f"[fingerprint_index]\nsketch_rate = 8\n{option} = {tmp_path}/nowhere\n"
        if section == "fingerprint_index"
        else f"[{section}]\n{option} = {tmp_path}/nowhere\n"
    )
    answer = CliRunner().invoke(main, command.split(), env={"ACOUSTID_CONFIG": str(config)})
    assert answer.exit_code == 1
    assert f"no {noun} in {stray.parent}: check [{section}] {option}" in answer.output
    assert "rebuild" not in answer.output
    stray.parent.mkdir(parents=True)
    (stray.parent / f"{1:016x}{stray.suffix}").touch()
    answer = CliRunner().invoke(main, command.split(), env={"ACOUSTID_CONFIG": str(config)})
    assert "rebuild" in answer.output
    stray.touch()
    answer = CliRunner().invoke(main, command.split(), env={"ACOUSTID_CONFIG": str(config)})
    assert f"{stray}: has the suffix of a segment" in answer.output
    assert "has files with unknown names: move them to another folder" in answer.output
    assert "rebuild" not in answer.output


def test_the_help_hides_the_former_name() -> None:
    shown = run("--help").output
    assert "verify" in shown
    assert "check" not in shown
