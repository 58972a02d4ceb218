"""The faults that a submission can have in the worker `tests.support.processes.faulty_imports`."""

from enum import StrEnum


class Fault(StrEnum):
    """What a submission does to its worker."""

    KILL = "kill"
    """Its process is killed."""

    KILL_ALL = "kill all"
    """All processes of the worker are killed."""

    SLOW = "slow"
    """It takes longer than the time limit."""

    HANG = "hang"
    """It takes longer and ignores the soft time limit."""

    MEMORY = "memory"
    """The memory does not suffice for a batch; it suffices for one submission."""

    DISK = "disk"
    """The first attempt finds a full disk."""

    ERROR = "error"
    """A Python error."""
