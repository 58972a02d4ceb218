"""Makes a data directory that was moved or copied a stack of its own.

Two data directories never share a port, a password or a token. So the processes of the original
cannot use the servers of the copy, at whatever time each is started.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote

from cli.errors import StackError
from cli.exit_status import ExitStatus
from cli.stack.data_directory import DataDir
from cli.stack.files.directory_identity import DirectoryIdentity
from cli.stack.identity.origin import (
    Origin,
    Provenance,
    find_provenance,
    has_configuration_of_another,
)
from cli.stack.processes.strays import find_by_path
from cli.stack.recovery.lost_record import load_record
from cli.stack.run_state import RunState
from cli.stack.servers import postgres_directory
from cli.stack.servers.postgres_pid_file import PID_FILE, postmaster_pid
from cli.stack.stack_record import DamagedRecordError, StackRecord


class CopiedDirectoryError(StackError):
    """The data directory is a copy of another one. Nothing was changed."""


class NotStartedError(StackError):
    """The data directory was moved or copied, and no stack was started on it since."""

    exit_code = ExitStatus.NO_STACK


def claim_directory(data: DataDir, report: Callable[[str], None], *, adopt: bool) -> StackRecord:
    """Make the record of a data directory, which this process has locked, name this directory.

    A copy and a restored backup get new passwords and ports. Nothing else changes before all checks
    have passed.

    Args:
        data: the data directory.
        report: called with one line of text at a time.
        adopt: whether a copy becomes a stack of its own while its original exists.

    Raises:
        CopiedDirectoryError: it is a copy, and `adopt` is False.
        StackError: processes of another directory at this path still run, or the databases are in
            a directory that belongs to another stack.
    """
    record = load_record(data, report)
    found = find_provenance(data, record)
    if found.origin is Origin.COPIED and not adopt:
        raise CopiedDirectoryError(_refusal(data, found.path))
    postgres_directory.check_owner(data.root)
    _require_own_server(data)
    if found.origin is Origin.OWN:
        return _remember(data, record)
    if found.origin is Origin.RESTORED:
        _require_no_processes(data)
    report(_message(found))
    if found.origin is Origin.MOVED:
        data.config.unlink(missing_ok=True)  # it has the old paths
        return _remember(data, record)
    return _remember(data, _make_own(data, record, report))


def require_adopted(data: DataDir, *, adopt: bool) -> None:
    """Check that a data directory is no copy, or that it may become a stack of its own.

    Raises:
        CopiedDirectoryError: see `claim_directory`.
        StackError: this user cannot read the record.
    """
    try:
        record = None if adopt else StackRecord.read(data)
    except DamagedRecordError:  # the start repairs a damaged record
        return
    found = find_provenance(data, record) if record else None
    if found and found.origin is Origin.COPIED:
        raise CopiedDirectoryError(_refusal(data, found.path))


def require_started_here(data: DataDir) -> None:
    """Check that the effective configuration was written for this directory, not for another one.

    The configuration in a copy leads to the databases of the original, and so does a copy of the
    file alone.

    Raises:
        NotStartedError: it was written for another directory.
    """
    record = StackRecord.read(data)
    if record is None:
        return
    if has_configuration_of_another(data, record):
        raise NotStartedError(
            f"{data.config} was not written for this stack and may lead to the databases of another"
            f" one: run `acoustid up --data-dir {quote(str(data.root))}`, which writes it again"
        )
    found = find_provenance(data, record)
    if found.origin is Origin.OWN or data.is_locked():
        return
    if found.origin is Origin.COPIED:
        raise NotStartedError(_refusal(data, found.path))
    raise NotStartedError(
        f"{data.root} was {found.origin.value}, and no stack was started on it since: run "
        f"`acoustid up --data-dir {quote(str(data.root))}` once"
    )


def require_own_configuration(path: Path | None) -> None:
    """Check that the configuration of `acoustid up` is not the effective one of a data directory.

    With that one, no server would be started, and those of the other stack would be used.

    Args:
        path: the file; None for no file.

    Raises:
        StackError: it is an effective configuration.
    """
    if path is None:
        return
    data = DataDir.at(path.parent)
    if path.name == data.config.name and data.record.exists():
        raise StackError(
            f"{path} was written by `acoustid up` and cannot be its configuration: unset "
            "ACOUSTID_CONFIG, or start in another directory"
        )


def _remember(data: DataDir, record: StackRecord) -> StackRecord:
    """Store the current directory in the record."""
    here = record.with_directory(DirectoryIdentity.of(data.root))
    if here != record:
        here.save(data)
    return here


def _make_own(data: DataDir, record: StackRecord, report: Callable[[str], None]) -> StackRecord:
    """Delete all that names the original, then return a record with new secrets.

    If this process is killed in between, the directory is still a copy at the next start.
    """
    databases = postgres_directory.location(data.root)
    lock = databases / PID_FILE
    if lock.exists():
        report(
            "PostgreSQL ran when this copy was made, or had crashed: its files may be damaged "
            "without a message; copy a stack after `acoustid down`"
        )
        _delete_foreign(lock, databases)
    for path in (data.config, data.run):
        path.unlink(missing_ok=True)
    return replace(StackRecord(), directory=record.directory)


def _delete_foreign(lock: Path, databases: Path) -> None:
    """Delete the lock file of a copied PostgreSQL unless a server runs on this directory."""
    with suppress(OSError):
        pid = postmaster_pid(databases)
        if pid is not None and find_by_path(pid, str(databases)):
            return
    lock.unlink(missing_ok=True)


def _require_no_processes(data: DataDir) -> None:
    """Check that no process of the directory that this one replaces still runs on this path."""
    state = RunState.read(data)
    living = [each for each in state.processes if each.identity.find()] if state else []
    used = [each for each in living if each.identity.is_below(data.root)]
    if used:
        pids = ", ".join(f"{each.role} (pid {each.identity.pid})" for each in used)
        raise StackError(
            f"processes of another data directory that was at {data.root} before still run: {pids}."
            " Stop them with `acoustid down` on the directory to which it was moved"
        )


def _require_own_server(data: DataDir) -> None:
    """Check that no server of another stack runs on the PostgreSQL directory outside of this one.

    The start would stop it.
    """
    if postgres_directory.is_known_owner(data.root):
        return
    databases = postgres_directory.location(data.root)
    pid = postmaster_pid(databases)
    if pid is None or find_by_path(pid, str(databases)) is None:
        return
    state = RunState.load(data)
    if state is None or pid not in [each.identity.pid for each in state.processes]:
        raise StackError(
            f"PostgreSQL (pid {pid}) runs on {databases}, and the stack in {data.root} has not "
            "started it: stop it with `acoustid down` on the data directory of its stack; if there "
            f"is none, end process {pid}"
        )


def _refusal(data: DataDir, original: Path) -> str:
    return (
        f"{data.root} is a copy of the data directory {original}. To make it a stack of its own, "
        f"with new ports and passwords: acoustid up --data-dir {quote(str(data.root))} --adopt"
    )


def _message(found: Provenance) -> str:
    if found.origin is Origin.MOVED:
        return f"this data directory was moved from {found.path}"
    kind = "a copy of" if found.origin is Origin.COPIED else "restored or moved from"
    return f"this data directory is {kind} {found.path}: it gets new ports, passwords and ids"
