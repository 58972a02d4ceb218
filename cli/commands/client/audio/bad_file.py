"""The error of one file, which does not end a command."""

from cli.errors import StackError


class BadFileError(StackError):
    """A file cannot be read, fingerprinted or written. The text gives the reason, not the name."""


def os_reason(error: OSError) -> str:
    """Return the reason of an error of the operating system, such as ``permission denied``."""
    return (error.strerror or str(error)).lower()
