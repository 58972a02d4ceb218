"""The file ``run.json`` of a data directory: the processes that run on it now.

`acoustid status`, `acoustid down` and the next `acoustid up` read it. It names the directory by
device and inode, so the file in a copy of the directory says nothing about the copy.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.directory_identity import DirectoryIdentity
from cli.stack.files.installed_code import InstalledCode
from cli.stack.files.json_file import read_json_object
from cli.stack.files.private_file import write_private
from cli.stack.processes.stopping import TERM_THEN_KILL, WITHOUT_DRAINING, StopOrder, stop_processes
from cli.stack.processes.strays import ProcessIdentity, StrayProcess
from cli.stack.processes.waiting import Pause

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A running process of a stack.

    Attributes:
        role: the name of its role or server.
        stage: its `StopOrder`.
        port: the port on which it listens; None for no port.
        host: the address on which it listens.
        identity: its pid and start time.
    """

    role: str
    stage: int
    port: int | None
    host: str
    identity: ProcessIdentity


@dataclass(frozen=True, slots=True)
class RunState:
    """A stack that runs now, or ran when its supervisor was killed.

    Attributes:
        supervisor: the process of `acoustid up`.
        processes: the processes that it started.
        ready: whether the start of the stack is complete.
        restarts: the number of completed restarts.
        restart_problem: the reason why the last restart failed; empty if it succeeded.
        directory: the data directory; None in a file of an earlier version, and before `save`.
        code: the code of the roles; None in a file of an earlier version.
    """

    supervisor: ProcessIdentity
    processes: tuple[RunningProcess, ...] = ()
    ready: bool = False
    restarts: int = 0
    restart_problem: str = ""
    directory: DirectoryIdentity | None = field(default=None, compare=False)
    code: InstalledCode | None = None

    @classmethod
    def load(cls, data: DataDir) -> "RunState | None":
        """Read the file of a data directory.

        Returns:
            None if the file is missing or malformed, or was copied from another directory.

        Raises:
            StackError: this user cannot read it.
        """
        state = cls.read(data)
        return state if state and state.runs_on(data) else None

    @classmethod
    def load_running(cls, data: DataDir) -> "RunState | None":
        """Read the file of a data directory if the supervisor in it still runs.

        While the lock of the directory is held, None says that a stack has just begun to start.
        """
        state = cls.load(data) if data.is_locked() else None
        return state if state and state.supervisor.find() else None

    @classmethod
    def read(cls, data: DataDir) -> "RunState | None":
        """Read the file of a data directory, which may be that of another directory.

        Fields of a newer version are left out.

        Raises:
            StackError: this user cannot read it.
        """
        try:
            found: dict[str, Any] = read_json_object(data.run)
            code = found.get("code")
            processes = tuple(
                _known(
                    RunningProcess,
                    {**each, "identity": _known(ProcessIdentity, each["identity"])},
                )
                for each in found["processes"]
            )
            return cls(
                _known(ProcessIdentity, found["supervisor"]),
                processes,
                found["ready"],
                found.get("restarts", 0),
                found.get("restart_problem", ""),
                DirectoryIdentity.parse(found.get("directory")),
                _known(InstalledCode, code) if code else None,
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StackError(f"{data.run} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def find(self, role: str) -> RunningProcess | None:
        """Return the process of a role; None if there is none."""
        return next((each for each in self.processes if each.role == role), None)

    def runs_installed_code(self) -> bool:
        """Return whether the roles run the code that is installed now."""
        return self.code is not None and self.code.is_installed()

    def save(self, data: DataDir) -> None:
        """Replace the file atomically; it names the data directory."""
        here = replace(self, directory=DirectoryIdentity.of(data.root))
        write_private(data.run, json.dumps(asdict(here), indent=1))

    def runs_on(self, data: DataDir) -> bool:
        """Return whether the file was written for a directory, which may have been moved."""
        if self.directory is not None:
            try:
                return self.directory.is_same_directory(DirectoryIdentity.of(data.root))
            except OSError:
                return False
        # An earlier version has written the file: the processes' paths show the directory.
        marks = [each.identity for each in self.processes if each.identity.mark]
        return not marks or any(each.is_below(data.root) for each in marks)


def _known(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """Create an object of a dataclass from those values that have its fields."""
    names = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})


def stop_strays(processes: Sequence[RunningProcess], pause: Pause = time.sleep) -> list[str]:
    """Stop those processes that still run, in the order of `StopOrder`; return their roles.

    Args:
        processes: the processes of a stack.
        pause: the function that waits.
    """
    found: list[tuple[RunningProcess, StrayProcess]] = []
    for each in processes:
        stray = each.identity.find()
        if stray:
            found.append((each, stray))
    for order in StopOrder:
        signals = WITHOUT_DRAINING if order is StopOrder.FRONT_END else TERM_THEN_KILL
        stop_processes([(stray, signals) for each, stray in found if each.stage == order], pause)
    return [each.role for each, _ in found]
