"""Finds the stack that a command uses.

It is the one in ``--data-dir`` if that option is given, else the one whose configuration
``ACOUSTID_CONFIG`` names, else the one in the default data directory. All commands use this module,
so they find the same stack, and say in the same words that there is none.
"""

import os
import shlex
from collections.abc import Mapping
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
from cli.stack.servers.ports import web_address

if TYPE_CHECKING:
    from pipeline.settings.sections import Settings

DATA_DIR_PARAMETER: Final = "data_dir"
"""The parameter of `cli.stack.data_directory.option`."""

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

        Raises:
            StackError: they are invalid.
            NotStartedError: its data directory was moved or copied, and not started since.
        """
        if self.data and self.config and self.config.resolve() == self.data.config:
            require_started_here(self.data)
        return _read_settings(self.config, self.environ)

    def directory(self) -> DataDir:
        """Return the data directory of the stack, which need not run.

        Raises:
            NoStackError: `acoustid up` did not start it.
        """
        if self.data is None:
            raise NoStackError(NO_OWN_STACK)
        return self.data

    def running(self) -> RunState:
        """Return the processes of the stack.

        Raises:
            NoStackError: it does not run, or `acoustid up` did not start it.
        """
        if self.data is None:
            raise NoStackError(NO_OWN_STACK)
        state = RunState.load(self.data) if self.data.is_locked() else None
        if state is None:
            raise NoStackError(
                f"the stack in {self.data.root} does not run: "
                f"start it with `acoustid up --data-dir {shlex.quote(str(self.data.root))}`"
            )
        return state

    def front_end(self) -> str:
        """Return the address of its front end.

        Raises:
            NoStackError: the stack does not run, or has not started its front end yet.
        """
        return front_end_address(self.running())


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
        is_effective = Path(named).name == folder.config.name and folder.record.exists()
        return ChosenStack(folder if is_effective else None, Path(named), environ)
    if data.config.is_file():
        return ChosenStack(data, data.config, environ)
    if not is_given and _read_settings(None, environ).sources:
        return ChosenStack(None, None, environ)
    raise NoStackError(
        f"no stack is in {data.root}: start one with `acoustid up`, or name one with --data-dir "
        f"or {CONFIG_VARIABLE}{_others()}"
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
    if chosen.data is None and data.config.exists():
        return ChosenStack(data, data.config, chosen.environ)
    return chosen


def _read_settings(config: Path | None, environ: Mapping[str, str]) -> "Settings":
    from cli.stack.effective_settings import read_settings  # noqa: PLC0415 - slow to import

    return read_settings(config, environ)


def _others() -> str:
    """Return a text that names the stacks of this user elsewhere; empty if there are none."""
    from cli.stack.running.running_stacks import (  # noqa: PLC0415 - psutil is slow to import
        find_running_stacks,
    )

    found = find_running_stacks()
    return f". Stacks run in {', '.join(map(str, found))}" if found else ""
