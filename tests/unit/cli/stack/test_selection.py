"""Which stack a command uses."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import click
import psutil
import pytest

from cli.exit_status import ExitStatus
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunState
from cli.stack.selection import ChosenStack, NoStackError, choose_own_stack, choose_stack
from cli.stack.stack_record import StackRecord


def chosen(*arguments: str, own: bool = False) -> ChosenStack:
    """Return the stack of a command with some arguments."""

    @click.command()
    @data_directory.option
    def command(data_dir: Path) -> ChosenStack:
        return choose_own_stack(data_dir) if own else choose_stack(data_dir)

    found: ChosenStack = command.main(list(arguments), standalone_mode=False)
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the stacks ``.acoustid`` and ``other``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cli.stack.running.running_stacks.find_running_stacks", list)
    for name in (".acoustid", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "acoustid.conf").write_text("")
        StackRecord().save(DataDir.at(tmp_path / name))
    (tmp_path / "mine.conf").write_text("[redis]\nhost = elsewhere\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "environ", "name"),
    [
        ([], {}, ".acoustid"),
        (["--data-dir", "other"], {}, "other"),
        ([], {"ACOUSTID_CONFIG": "other/acoustid.conf"}, "other"),
        (["--data-dir", ".acoustid"], {"ACOUSTID_CONFIG": "other/acoustid.conf"}, ".acoustid"),
    ],
)
def test_the_option_has_precedence_over_the_variable(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environ: Mapping[str, str],
    name: str,
) -> None:
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    for own in (True, False):
        assert chosen(*arguments, own=own).directory().root == folder / name


def test_a_file_of_the_user_has_settings_and_may_be_that_of_the_stack_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACOUSTID_CONFIG", "mine.conf")
    assert chosen().settings().redis.host == "elsewhere"
    assert chosen(own=True).directory().root == folder / ".acoustid"
    (folder / ".acoustid" / "acoustid.conf").unlink()
    with pytest.raises(NoStackError, match="give --data-dir"):
        chosen(own=True).directory()


def test_a_stack_that_does_not_run_has_its_own_status() -> None:
    with pytest.raises(NoStackError, match="does not run") as caught:
        chosen(own=True).running()
    assert caught.value.exit_code == ExitStatus.NO_STACK


def test_a_command_on_the_databases_says_how_to_start_a_stopped_stack(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (folder / "other" / "acoustid.conf").write_text(
            f"[database_fingerprint]\nhost = 127.0.0.1\nport = {port}\n"
        )
        StackRecord(postgres_port=port).save(DataDir.at(folder / "other"))
        chosen("--data-dir", "other").require_own_postgres()
    with pytest.raises(NoStackError, match=f"start it with `acoustid up --data-dir {folder}/other"):
        chosen("--data-dir", "other").require_own_postgres()


def test_no_server_of_the_user_is_asked_whether_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACOUSTID_CONFIG", "mine.conf")
    chosen().require_own_postgres()


def test_no_stack_is_an_error_that_names_the_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cli.stack.running.running_stacks.find_running_stacks",
        lambda: [folder / "missing", folder / "other"],
    )
    with pytest.raises(NoStackError, match=f"no stack is in {folder}/missing") as caught:
        chosen("--data-dir", "missing")
    assert caught.value.message.endswith(f". Stacks run in {folder}/other")


def test_no_lock_is_created_in_a_directory_without_a_stack(folder: Path) -> None:
    (folder / "music").mkdir()
    with pytest.raises(NoStackError):
        chosen("--data-dir", "music")
    assert list((folder / "music").iterdir()) == []


@pytest.mark.parametrize("environ", [{}, {"ACOUSTID_CONFIG": "new/acoustid.conf"}])
def test_a_stack_that_has_just_begun_to_start_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]
) -> None:
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    arguments = [] if environ else ["--data-dir", "new"]
    data = DataDir.at(folder / "new")
    data.create()
    with data.lock():
        stack = chosen(*arguments, own=True)
        for use in (stack.front_end, stack.settings, stack.running):
            with pytest.raises(NoStackError, match=f"the stack in {folder}/new is starting"):
                use()
        # The file of an earlier run, whose supervisor was killed.
        RunState(ProcessIdentity(2**22, 1.0), ready=True).save(data)
        with pytest.raises(NoStackError, match="is starting"):
            stack.running()


def test_a_stack_without_its_front_end_is_starting(folder: Path) -> None:
    data = DataDir.at(folder / "other")
    RunState(ProcessIdentity(os.getpid(), psutil.Process().create_time())).save(data)
    with data.lock(), pytest.raises(NoStackError, match=f"the stack in {folder}/other is starting"):
        chosen("--data-dir", "other", own=True).front_end()


@pytest.mark.parametrize(
    ("host", "kept"), [("127.0.0.1", {}), ("database.test", {"PGOPTIONS": "-cfoo=1"})]
)
def test_variables_of_libpq_do_not_apply_to_an_embedded_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch, host: str, kept: Mapping[str, str]
) -> None:
    """The environment may contain them for another server."""
    StackRecord(postgres_port=15432).save(DataDir.at(folder / "other"))
    sections = ("database", "database_fingerprint", "database_ingest", "database_musicbrainz")
    text = "".join(f"[{each}]\nhost = {host}\nport = 15432\n" for each in sections)
    (folder / "other" / "acoustid.conf").write_text(text)
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGOPTIONS", "-cfoo=1")
    assert chosen("--data-dir", "other").settings().database.host == host
    assert {name: text for name, text in os.environ.items() if name.startswith("PG")} == kept
