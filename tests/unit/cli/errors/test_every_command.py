"""Every command without servers, with wrong servers, directories and files.

The commands run in this process, since the start of a process takes longer than a command.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from cli.exit_status import ExitStatus
from cli.main import main
from cli.stack.servers.ports import free_port
from tests.support.clients.every_command import command_line, every_command
from tests.unit.cli.errors.conftest import RunMain

COMMANDS = dict(every_command())
CLIENTS = ("lookup", "identify", "submit")
SECTIONS = ("DATABASE", "DATABASE_FINGERPRINT", "DATABASE_INGEST", "DATABASE_MUSICBRAINZ", "REDIS")

NO_STACK = "no stack is in"
WITHOUT_STACK = {
    "completion",
    "config check",
    "down",
    "evaluate",
    "index restore",
    "index serve",
    "ready",
    "restore",
    "serve",
    "status",
    "up",
    *CLIENTS,
}
"""Commands that need no stack, or print in another way that there is none."""


def safe_line(name: str, folder: Path, **values: str) -> list[str]:
    """Return a command line that ends soon: no server starts, and no benchmark runs."""
    line = command_line(name, COMMANDS[name], folder, **values)
    if name.startswith("bench "):
        output = str(folder / "file" / "report")
        return command_line(name, COMMANDS[name], folder, **{"output": output, **values})
    fixed = {
        "up": ["up", "--data-dir", str(folder / "file" / "below")],
        "serve": ["serve", "--fd", "9999"],
        "index serve": ["index", "serve", "--dir", str(folder / "file" / "below")],
        "ready": ["ready"],  # with an address it waits without a limit
        "completion": ["completion", "fish"],
        "backup": [*line, str(folder / "backups")],  # DIR and --to exclude each other
        "restore": ["restore", "--check", str(folder / "file")],
        "evaluate": ["evaluate", "--data", str(folder)],  # the bundled recordings take seconds
    }
    return fixed.get(name, line)


def needs_stack(name: str) -> bool:
    return name not in WITHOUT_STACK and not name.startswith("bench ")


def set_servers(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Set one address for all servers."""
    for section in SECTIONS:
        monkeypatch.setenv(f"ACOUSTID_{section}_HOST", "127.0.0.1")
        monkeypatch.setenv(f"ACOUSTID_{section}_PORT", str(port))


@contextmanager
def server_that_answers(reply: bytes) -> Iterator[int]:
    """Run a server that sends the same bytes to every client and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(1)
                    try:
                        connection.recv(65536)
                        connection.sendall(reply)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def test_without_a_stack(run: RunMain, folder: Path) -> None:
    """All commands say so in the same words, with the same status."""
    for name in COMMANDS:
        result = run(safe_line(name, folder))
        if needs_stack(name):
            assert result.exit_code == ExitStatus.NO_STACK, (name, result.output)
            assert NO_STACK in result.stderr, (name, result.output)
            assert result.stdout == "", name


def test_with_a_wrong_data_directory(run: RunMain, folder: Path) -> None:
    """The text names it."""
    for name, command in COMMANDS.items():
        if not any(each.name == "data_dir" for each in command.params) or name == "up":
            continue
        for wrong in (folder / "missing", folder / "directory"):
            result = run(safe_line(name, folder, data_dir=str(wrong)))
            if needs_stack(name):
                assert result.exit_code == ExitStatus.NO_STACK, (name, result.output)
                assert str(wrong) in result.stderr, name
        for text in (str(folder / "file"), "x" * 5000, "\udcff"):
            result = run(safe_line(name, folder, data_dir=text))
            assert result.exit_code or name == "down", (name, result.output)


@pytest.mark.parametrize("name", ["acoustid.conf", "stack.json", "run.json", "prepared.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\0[{", b"{}", b"[]", b'{"demo": 1}', b"[" * 5000])
def test_with_a_damaged_file_of_the_stack(
    run: RunMain, folder: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The servers are away too."""
    set_servers(monkeypatch, free_port())
    data = folder / "directory"
    for each in ("acoustid.conf", "stack.json"):
        (data / each).write_bytes(b"")
    (data / name).write_bytes(content)
    for each in ("status", "restart", "logs", "open", "down", "keys list", *CLIENTS):
        values = {"application": "key"} if each in CLIENTS else {}
        run(safe_line(each, folder, data_dir=str(data), **values))


def test_with_a_wrong_configuration(
    run: RunMain, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command that reads it names it."""
    for wrong in (folder / "missing", folder / "binary", folder / "directory"):
        monkeypatch.setenv("ACOUSTID_CONFIG", str(wrong))
        for name in COMMANDS:
            result = run(safe_line(name, folder))
            if needs_stack(name) and name not in {"logs", "open", "restart", *CLIENTS}:
                assert result.exit_code == ExitStatus.FAILED, (name, result.output)
                assert str(wrong) in result.stderr, (name, result.output)


@pytest.mark.parametrize(
    "reply",
    [None, b"", b"HTTP/1.1 200 OK\r\n\r\nhello", b"\0" * 100],
    ids=["nothing listens", "closed", "HTTP", "zeros"],
)
def test_with_wrong_servers(
    run: RunMain, folder: Path, monkeypatch: pytest.MonkeyPatch, reply: bytes | None
) -> None:
    """Nothing listens, or a server closes the connection, or it has another protocol."""
    with server_that_answers(reply or b"") as port:
        set_servers(monkeypatch, free_port() if reply is None else port)
        for name in COMMANDS:
            result = run(safe_line(name, folder))
            if name.split()[0] in {"keys", "accounts", "tracks", "edits", "submissions"}:
                assert result.exit_code == ExitStatus.FAILED, (name, result.output)
                assert "server" in result.stderr, (name, result.output)


@pytest.mark.parametrize(
    "server",
    ["nonsense", "http://", "http://a b", "ftp://x", "http://x:99999", "http://\udcff"],
)
def test_a_client_with_a_wrong_address(run: RunMain, folder: Path, server: str) -> None:
    for name in CLIENTS:
        result = run(safe_line(name, folder, server=server, application="key", user="user"))
        assert result.exit_code in {ExitStatus.FAILED, ExitStatus.USAGE}, result.output


@pytest.mark.parametrize(
    "reply",
    [b"", b"HTTP/1.1 200 OK\r\n\r\n[", b"\xff" * 50],
    ids=["closed", "no JSON", "no HTTP"],
)
def test_a_client_with_a_wrong_server(run: RunMain, folder: Path, reply: bytes) -> None:
    with server_that_answers(reply) as port:
        server = f"http://127.0.0.1:{port}"
        for name in CLIENTS:
            result = run(safe_line(name, folder, server=server, application="key", user="user"))
            assert result.exit_code in {ExitStatus.FAILED, ExitStatus.USAGE}, result.output


def test_with_files_of_every_kind(
    run: RunMain, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every parameter that is a file or a directory."""
    server = f"http://127.0.0.1:{free_port()}"
    set_servers(monkeypatch, free_port())
    names = [each.name for each in folder.iterdir()]
    for name, command in COMMANDS.items():
        if name in {"up", "serve", "index serve"}:
            continue
        for parameter in command.params:
            is_text = parameter.name == "fingerprint" and name in CLIENTS
            if not is_text and not isinstance(parameter.type, click.Path | click.File):
                continue
            for file in ["missing", *names]:
                values = {str(parameter.name): str(folder / file)}
                if name in CLIENTS:
                    values |= {"server": server, "application": "key"}
                if not (name.startswith("bench ") and parameter.name == "output"):
                    run(safe_line(name, folder, **values))


def test_an_unknown_option_is_a_wrong_command_line(run: RunMain) -> None:
    for name in COMMANDS:
        if name != "index serve":  # it ignores options of other implementations
            assert run([*name.split(), "--no-such-option"]).exit_code == ExitStatus.USAGE


def test_every_command_has_h(run: RunMain) -> None:
    assert run(["-h"]).stdout == run(["--help"]).stdout
    with main.make_context("acoustid", ["up"]) as parent:
        for name, command in COMMANDS.items():
            with command.make_context(name, [], parent=parent, resilient_parsing=True) as context:
                assert context.help_option_names == ["-h", "--help"]


def test_no_short_help_is_cut(run: RunMain) -> None:
    for name in {name.rpartition(" ")[0] for name in COMMANDS} - {""}:
        listed = run([*name.split(), "--help"]).stdout.partition("Commands:")[2]
        assert listed
        assert "..." not in listed
        assert "…" not in listed


def test_the_table_names_every_command() -> None:
    assert set(main.list_commands(click.Context(main))) <= {each.split()[0] for each in COMMANDS}
