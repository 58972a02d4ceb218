"""Replaces characters that a terminal interprets, in everything that commands print."""

import os
from pathlib import Path


def printable(text: object, *, keep: str = "") -> str:
    """Return a text as one line: white space becomes a space, control characters become ``?``.

    Texts come from servers, files and logs. A control character in them can break a line, or
    change the state of the terminal.

    Args:
        text: a text, or an object that has one.
        keep: characters that stay as they are.
    """
    found = str(text)
    if found.isprintable():
        return found
    return "".join(each if each in keep else _shown(each) for each in found)


def printable_path(path: Path) -> str:
    """Return a path with escapes for control characters and for bytes that are not text.

    Two different paths have different texts, unless one of them contains such an escape.
    """
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "?"
