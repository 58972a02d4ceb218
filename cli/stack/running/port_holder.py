"""Checks that a port is free, and describes the process that listens on it otherwise."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.run_state import RunState
from cli.stack.servers.ports import free_port, is_free

UNKNOWN = "a process that this user cannot see"


class PortTakenError(StackError):
    """Another process listens on the port. The text names both."""


def require_port(port: int, host: str, option: str) -> int:
    """Return `port` if it is free; for 0, return any free port.

    Args:
        port: the requested port.
        host: the address to listen on.
        option: the command line option that sets the port, for the error text.

    Raises:
        PortTakenError: the port is taken, or this user may not use it.
    """
    if port == 0:
        return free_port(host)
    try:
        if is_free(port, host):
            return port
    except OSError as error:
        raise PortTakenError(f"port {port} of {host} cannot be used: {error.strerror}") from error
    raise PortTakenError(
        f"port {port} of {host} is taken by {describe_holder(port)}: choose another with {option}"
    )


def describe_holder(port: int) -> str:
    """Return the name and the pid of the process that listens on a TCP port of this machine.

    If it belongs to a stack, its role and its data directory follow. The processes of other users
    are visible for root only.
    """
    with suppress(psutil.Error, OSError):
        for process in _holders(port):
            with suppress(psutil.Error, OSError):
                return (
                    f"{process.name()} (pid {process.pid}{_owner(process)}{_stack(process, port)})"
                )
    return UNKNOWN


def _holders(port: int) -> Iterator[psutil.Process]:
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == port and connection.pid:
            yield psutil.Process(connection.pid)


def _owner(process: psutil.Process) -> str:
    """Return the user of the process, unless it is the user of this one."""
    name = process.username()
    return "" if name == psutil.Process().username() else f", user {name}"


def _stack(process: psutil.Process, port: int) -> str:
    """Return role and data directory if the process belongs to a stack, else an empty text."""
    for folder in _folders(process):
        state = None
        with suppress(StackError):  # the stack of another user
            state = RunState.load(DataDir.at(folder))
        for each in state.processes if state else ():
            if each.port == port:
                return f", {each.role} of the stack in {folder}"
    return ""


def _folders(process: psutil.Process) -> Iterator[Path]:
    """Yield possible data directories, by related processes.

    The supervisor and the front end hold the same listening socket. The environment of a forked
    process cannot be read. The processes of a stack's roles run in its folder of logs.
    """
    parent = process.parent()
    for each in (process, *process.children(), *(parent.children() if parent else ())):
        with suppress(psutil.Error, OSError):
            yield Path(each.cwd()).parent
            if path := each.environ().get("ACOUSTID_CONFIG"):
                yield Path(path).parent
