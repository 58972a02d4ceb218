"""The exit statuses of all commands. `docs/commands.md` has the table for users."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the exit status of a command means."""

    OK = 0
    """Everything was done."""

    FAILED = 1
    """The command failed; the text on standard error says why."""

    USAGE = 2
    """The command line is wrong. Nothing was done."""

    NO_STACK = 3
    """There is no stack, or it does not run, or it has not started the server yet.

    The LSB defines this value for service scripts.
    """

    PARTIAL = 4
    """Some files, lines or ids were refused; standard error names each. The others are done."""

    INTERRUPTED = 130
    """Ctrl-C ended the command before it had done everything."""
