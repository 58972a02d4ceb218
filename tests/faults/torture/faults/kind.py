"""The class of the kinds of faults."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random

from tests.faults.torture.stack.torture_stack import TortureStack

Injection = Callable[[TortureStack, Random], AbstractContextManager[str]]
"""Begins a fault, yields its description, and ends it."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault.

    Attributes:
        name: such as ``kill worker``.
        area: ``processes``, ``links``, ``clocks``, ``disks``, ``memory``, ``servers`` or ``files``.
        inject: begins and ends the fault.
        seconds: the shortest and the longest time between begin and end.
        breaks_connections: whether requests may get no reply, since the front end dies.
        stops_front_end: whether requests may exceed their deadline, since the front end is stopped.
        hides_hits: whether answers may lack a known track until the fault has ended.
        problem: returns why it can't be used on a stack; None if it can.
    """

    name: str
    area: str
    inject: Injection
    seconds: tuple[float, float] = (0.0, 0.5)
    breaks_connections: bool = False
    stops_front_end: bool = False
    hides_hits: bool = False
    problem: Callable[[TortureStack], str | None] = lambda _stack: None
