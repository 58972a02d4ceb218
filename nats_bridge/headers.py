"""The headers of messages: their names, their size, and those that a sender may give."""

from collections.abc import Mapping
from typing import Final

CLIENT: Final = "Acoustid-Client"
"""The key of the application, as the parameter ``client`` of ``/v2/submit``."""

USER: Final = "Acoustid-User"
"""The key of the user, as the parameter ``user`` of ``/v2/submit``."""

MESSAGE_ID: Final = "Nats-Msg-Id"
"""The publisher's identifier of a message; JetStream removes duplicates by it.

https://docs.nats.io/nats-concepts/jetstream/headers
"""

REASON: Final = "Acoustid-Reason"
"""Of a dead letter: why the message was refused."""

CODE: Final = "Acoustid-Code"
"""Of a dead letter: the code of the error, as in replies of ``/v2/submit``."""

ORIGINAL_ID: Final = "Acoustid-Message-Id"
"""Of a dead letter: the `MESSAGE_ID` of the refused message. The dead letter has its own."""

ITEM: Final = "Acoustid-Item"
"""Of a dead letter of one item of a list: its place in the list, from 0."""

CUT: Final = "Acoustid-Cut"
"""Of a dead letter whose body is cut because it exceeds the server's limit: the full size."""

ADDED: Final = frozenset(each.lower() for each in (REASON, CODE, ITEM, CUT, ORIGINAL_ID))
"""Headers that a dead letter has in addition to those of the message, in lower case."""

CONTROL: Final = "nats-"
"""Begin of the names of headers with which a publisher controls the stream, such as `MESSAGE_ID`.

https://docs.nats.io/nats-concepts/jetstream/headers
"""

_MARGIN: Final = 64  # bytes, for the first line and the last one


def size_of(headers: Mapping[str, str]) -> int:
    """Return the maximum size of headers in bytes. ``max_payload`` limits headers and body."""
    return _MARGIN + sum(line_size(name, value) for name, value in headers.items())


def line_size(name: str, value: str) -> int:
    """Return the size of one header in bytes."""
    return len(f"{name}: {value}\r\n".encode())


def of_sender(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without those of a dead letter and those that control a stream."""
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in ADDED and not name.lower().startswith(CONTROL)
    }
