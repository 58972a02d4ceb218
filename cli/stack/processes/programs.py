"""The programs that run in forks of the supervisor, as functions.

A module that is loaded already cannot be run by ``python -m`` a second time without a warning. So a
fork calls the function that the module would call.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Main = Callable[[], object]
"""The main function of a program. It reads `sys.argv`."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to call.

    Attributes:
        main: its main function.
        arguments: the value of `sys.argv`.
    """

    main: Main
    arguments: Sequence[str]


def find_program(command: Sequence[str]) -> Program:
    """Import the program of a command.

    Args:
        command: the interpreter, ``-m``, a module of `PROGRAMS` and its arguments.
    """
    _, _, module, *arguments = command
    return Program(PROGRAMS[module](), (module, *arguments))


def _celery() -> Main:
    from celery.__main__ import main  # noqa: PLC0415 - other commands do not need it

    program: Main = main
    return program


def _acoustid() -> Main:
    from cli.main import main  # noqa: PLC0415 - it would import this module

    return main


PROGRAMS: Final[Mapping[str, Callable[[], Main]]] = MappingProxyType(
    {"celery": _celery, "cli.main": _acoustid}
)
"""The functions that import the programs, by the names of their modules."""
