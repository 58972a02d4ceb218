"""Turns the text of a logged error into plain words, without fields that differ each time."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

LONGEST_LINE: Final = 10_000
"""Maximum number of characters that are read of a message."""

REASON: Final = "reason"
"""The field that is a sentence, and stays."""

_FIELD: Final = r' ([A-Za-z_][\w.]*)=("(?:[^"\\]|\\.)*"|[^\s"=]+)'
_FIELDS: Final = re.compile(f"(?:{_FIELD})+$")

_TASK: Final = re.compile(r"Task (\S+)\[[^\]]*\] raised unexpected: (.*)", re.DOTALL)
_BEAT: Final = re.compile(r"beat raised exception (<class .*)", re.DOTALL)
_CLASS: Final = re.compile(r"<class '(?:\w+\.)*(\w+)'>")

_KNOWN: Final = (
    (
        re.compile(
            r"redis\.exceptions\.(?:Timeout|Connection)Error|Cannot connect to rediss?://"
            r"|Error -?\d+ connecting to \S+:\d+|Timeout (?:reading from|connecting to) \S+"
            r"|Connection (?:closed by server|to Redis lost)"
        ),
        "Redis does not reply",
    ),
    (
        re.compile(
            r"connection to server at .* failed: (?!FATAL)"
            r"|server closed the connection unexpectedly|could not receive data from server"
        ),
        "PostgreSQL does not reply",
    ),
    (re.compile(r"(?:Soft)?TimeLimitExceeded\("), "it exceeded its time limit"),
)
"""Texts of libraries, and what they mean."""


def without_fields(text: str) -> str:
    """Return a message in the text format of a log without the fields at its end.

    A reason is appended to the message.
    """
    text = text[:LONGEST_LINE]
    found = _FIELDS.search(text)
    if found is None:
        return text
    fields = dict(re.findall(_FIELD, found[0]))
    reason = fields.get(REASON, "")
    if reason.startswith('"'):
        with suppress(ValueError):
            reason = json.loads(reason)
    return with_reason(text[: found.start()], {REASON: reason})


def with_reason(message: str, fields: Mapping[str, object]) -> str:
    """Return a message with the field `REASON`, if there is one."""
    reason = fields.get(REASON)
    return f"{message}: {reason}" if reason else message


def plain(message: str) -> str:
    """Return a message without fields in plain words, as far as they are known."""
    if found := _TASK.fullmatch(message):
        return f"the task {found[1]} failed: {_meaning(found[2])}"
    if found := _BEAT.fullmatch(message):
        return f"beat failed: {_meaning(found[1])}"
    return _meaning(message)


def _meaning(text: str) -> str:
    for pattern, words in _KNOWN:
        if pattern.search(text):
            return words
    return _CLASS.sub(r"\1", text)
