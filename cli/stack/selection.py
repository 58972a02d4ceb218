"""Finds the stack that a command uses.

It is the one in ``--data-dir`` if that option is given, else the one whose configuration
``ACOUSTID_CONFIG`` names, else the one in the default data directory. All commands use this module,
so they find the same stack, and say in the same words that there is none.
"""

import os
import shlex
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from cli.errors import StackError
from cli.exit_status import ExitStatus
from cli.stack.data_directory import CONFIG_VARIABLE, DataDir
from cli.stack.identity.claim import require_started_here
from cli.stack.run_state import RunState
from cli.stack.servers.libpq_variables import remove_libpq_variables
from cli.stack.servers.ports import LOOPBACK, web_address
from cli.stack.stack_record import DATABASES, StackRecord

if TYPE_CHECKING:
    from pipeline.settings.sections import Settings

DATA_DIR_PARAMETER: Final = "data_dir"
"""The parameter of `cli.stack.data_directory.option`."""

ANSWER_TIMEOUT: Final = 5.0  # s

NO_OWN_STACK: Final = "the settings are of no stack of `acoustid up`: give --data-dir"
"""The error if a command needs the processes or files of a stack."""


class NoStackError(StackError):
    """There is no stack, or it does not run."""

    exit_code = ExitStatus.NO_STACK


@dataclass(frozen=True, slots=True)
class ChosenStack:
    """The stack that a command uses.

    Attributes:
        data: its data directory; None if its configuration belongs to no `acoustid up`.
        config: the file with its settings; None if they come from the environment only.
        environ: the environment.
    """

    data: DataDir | None
    config: Path | None
    environ: Mapping[str, str] = field(repr=False)

    def settings(self) -> "Settings":
        """Load its settings.

        If a database is on its embedded PostgreSQL, the variables of libpq are removed from the
        environment of this process.

        Raises:
            StackError: they are invalid.
            NoStackError: the stack has just begun to start, and has not written them yet.
            NotStartedError: its data directory was moved or copied, and not started since.
        """
        if self.data and self.config and self.config.resolve() == self.data.config:
            if not self.config.exists() and self.data.is_locked():
                raise _starting(self.data)
            require_started_here(self.data)
        settings = _read_settings(self.config, self.environ)
        if self.data and _has_embedded_database(self.data, settings):
            remove_libpq_variables()
        return settings

    def directory(self) -> DataDir:
        """Return the data directory of the stack, which need not run.

        Raises:
            NoStackError: `acoustid up` did not start it.
        """
        if self.data is None:
            raise NoStackError(NO_OWN_STACK)
        return self.data

    def require_own_postgres(self) -> None:
        """Refuse a stack whose own PostgreSQL does not run. Other servers are not asked.

        Raises:
            StackError: the settings are invalid.
            NoStackError: it does not run.
        """
        if self.data is None or not _has_embedded_database(self.data, self.settings()):
            return
        record = StackRecord.read(self.data)
        if record is not None and not _answers(record.postgres_port):
            raise self._not_running()

    def running(self) -> RunState:
        """Return the processes of the stack.

        Raises:
            NoStackError: it does not run or has just begun to start, or `acoustid up` did not
                start it.
        """
        if self.data is None:
            raise NoStackError(NO_OWN_STACK)
        state = RunState.load_running(self.data)
        if state is None and self.data.is_locked():
            raise _starting(self.data)
        if state is None:
            raise self._not_running()
        return state

    def _not_running(self) -> NoStackError:
        root = self.directory().root
        return NoStackError(
            f"the stack in {root} does not run: "
            f"start it with `acoustid up --data-dir {shlex.quote(str(root))}`"
        )

    def front_end(self) -> str:
        """Return the address of its front end.

        Raises:
            NoStackError: the stack does not run, or has not started its front end yet.
        """
        state = self.running()
        if self.data and not state.ready and state.find("api") is None:
            raise _starting(self.data)
        return front_end_address(state)


def front_end_address(state: RunState) -> str:
    """Return the address of the front end of a running stack.

    Raises:
        NoStackError: it is not started yet.
    """
    found = state.find("api")
    if found is None or found.port is None:
        raise NoStackError("the stack has not started the API yet: see `acoustid status`")
    return web_address(found.host, found.port)


def choose_stack(data_dir: Path, environ: Mapping[str, str] = os.environ) -> ChosenStack:
    """Return the stack of a command, which need not run.

    Args:
        data_dir: the value of ``--data-dir``, given or default.
        environ: the environment.

    Raises:
        NoStackError: there is none.
    """
    source = click.get_current_context().get_parameter_source(DATA_DIR_PARAMETER)
    is_given = source is ParameterSource.COMMANDLINE
    data = DataDir.at(data_dir)
    named = environ.get(CONFIG_VARIABLE)
    if named and not is_given:
        folder = DataDir.at(Path(named).parent)
        is_stack = folder.record.exists() or folder.is_locked()
        is_effective = Path(named).name == folder.config.name and is_stack
        return ChosenStack(folder if is_effective else None, Path(named), environ)
    if _has_stack(data):
        return ChosenStack(data, data.config, environ)
    if not is_given and _read_settings(None, environ).sources:
        return ChosenStack(None, None, environ)
    raise NoStackError(
        f"no stack is in {data.root}: start one with `acoustid up`, or name one with --data-dir "
        f"or {CONFIG_VARIABLE}{_others(data)}"
    )


def settings_for_command(data_dir: Path) -> "Settings":
    """Return the settings of the stack that a command uses.

    Raises:
        StackError: the settings are invalid.
        NoStackError: there is no stack.
    """
    return choose_stack(data_dir).settings()


def choose_own_stack(data_dir: Path) -> ChosenStack:
    """Return the stack of a command that uses processes and files, not only settings.

    If ``ACOUSTID_CONFIG`` names no stack, it may be the user's file, with which `acoustid up` runs
    in the data directory.

    Raises:
        NoStackError: there is no stack.
    """
    chosen = choose_stack(data_dir)
    data = DataDir.at(data_dir)
    if chosen.data is None and _has_stack(data):
        return ChosenStack(data, data.config, chosen.environ)
    return chosen


def _read_settings(config: Path | None, environ: Mapping[str, str]) -> "Settings":
    from cli.stack.effective_settings import read_settings  # noqa: PLC0415 - slow to import

    return read_settings(config, environ)


def _answers(port: int) -> bool:
    """Return whether a program listens on a port of this host."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=ANSWER_TIMEOUT):
            return True
    except OSError:
        return False


def _has_embedded_database(data: DataDir, settings: "Settings") -> bool:
    with suppress(StackError):  # commands work without the record
        record = StackRecord.read(data)
        databases = [getattr(settings, name) for name in DATABASES]
        return record is not None and any(
            (each.host, each.port) == (LOOPBACK, record.postgres_port) for each in databases
        )
    return False


def _has_stack(data: DataDir) -> bool:
    """Return whether a stack is in a directory. The first start writes its settings late."""
    return data.config.is_file() or data.is_locked()


def _starting(data: DataDir) -> NoStackError:
    return NoStackError(f"the stack in {data.root} is starting: see `acoustid status`")


def _others(denied: DataDir) -> str:
    """Return a text that names the stacks of this user elsewhere; empty if there are none.

    Args:
        denied: the directory of which the text says that it has no stack.
    """
    from cli.stack.running.running_stacks import (  # noqa: PLC0415 - psutil is slow to import
        find_running_stacks,
    )

    found = [each for each in find_running_stacks() if each != denied.root]
    return f". Stacks run in {', '.join(map(str, found))}" if found else ""
