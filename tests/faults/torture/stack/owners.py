"""Finds the process that owns a local TCP port, for the proxies between processes (Linux)."""

import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


class PortOwners:
    """Names the client of a connection by the role of its process.

    Args:
        roles: returns the pids of the roles' processes, each with its name. Children of a process
            have its name.
    """

    def __init__(self, roles: Callable[[], Mapping[int, str]]) -> None:
        self._roles = roles

    def name_of(self, port: int) -> str:
        """Return the name of the process with a local port; ``other`` if no role has it."""
        inode = _inode(port)
        if inode is not None:
            for pid, name in self._roles().items():
                if any(_owns(each, inode) for each in (pid, *_children(pid))):
                    return name
        return "other"


def _inode(port: int) -> str | None:
    """Return the inode of the socket with a port on 127.0.0.1."""
    address = struct.unpack("=I", socket.inet_aton("127.0.0.1"))[0]
    wanted = f"{address:08X}:{port:04X}"
    with (PROC / "net" / "tcp").open() as lines:
        for line in lines:
            fields = line.split()
            if fields[1] == wanted and fields[9] != "0":
                return fields[9]
    return None


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in (PROC / str(pid) / "task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _children(int(child))


def _owns(pid: int, inode: str) -> bool:
    with suppress(OSError):
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) == f"socket:[{inode}]":
                    return True
    return False
