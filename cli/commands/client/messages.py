"""Messages of the client commands on standard error, beside a progress bar."""

import sys

from tqdm import tqdm


def tell(text: str) -> None:
    """Print a line to standard error, above the progress bar if there is one."""
    tqdm.write(text, file=sys.stderr)


def tell_refused(name: str, reason: str) -> None:
    """Print why a line or a file is refused."""
    tell(f"{name} was refused: {reason}")


def printable(text: object) -> str:
    """Return a text in which a space replaces each control character.

    Titles come from the server or from a file. A control character in them can break a line, or
    change the state of the terminal.
    """
    return "".join(each if each.isprintable() else " " for each in str(text))
