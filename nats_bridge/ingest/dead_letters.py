"""Publishes dead letters: refused messages, and refused items of lists."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nats.aio.client import Client
from nats.js.errors import APIError

from nats_bridge import headers
from nats_bridge.ingest.message import RefusedItem, header
from nats_bridge.link.link_errors import TOO_LARGE_FOR_STREAM

PUBLISH_TIME: Final = 5.0
"""Maximum seconds to wait for the acknowledgement of a dead letter."""

MAX_REASON: Final = 1000
"""Maximum number of characters of a reason."""

_NAME: Final = re.compile(r"[!-9;-~]+")
"""Names of headers that can be published."""

_STATUS: Final = "status"
"""The header of the server's own replies. Clients take a message that has it for such a reply."""

_ESSENTIAL: Final = (headers.MESSAGE_ID, headers.CODE, headers.REASON, headers.ITEM, headers.CUT)

MAX_HEADERS: Final = 65_000
"""Maximum size in bytes of all headers of a dead letter. JetStream stores at most 65,535 bytes, and
a refused message may have nearly as many before its reason is added."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The message of a dead letter.

    Attributes:
        stream: the name of its stream.
        sequence: its sequence number.
        stored_at: Unix time in microseconds at which the stream stored it.
        headers: its headers.
    """

    stream: str
    sequence: int
    stored_at: int
    headers: Mapping[str, str] | None


async def publish_dead_letter(
    client: Client, subject: str, origin: Origin, item: RefusedItem
) -> None:
    """Publish a dead letter, and wait until a stream has stored it.

    The stream ignores a second dead letter of the same item within its duplicate window. A body
    that exceeds a limit of the server or the stream is cut, and headers that exceed one are left
    out. The reason stays, and the keys if they fit.

    Args:
        client: a connection.
        subject: the subject of dead letters.
        origin: the refused message.
        item: the whole message, or one item of a list.

    Raises:
        nats.errors.Error: it is not known whether a stream has stored the dead letter.
    """
    jetstream = client.jetstream(timeout=PUBLISH_TIME)
    made = _limited(dead_letter_headers(origin, item), min(MAX_HEADERS, client.max_payload))
    body = item.body
    if headers.size_of(made) + len(body) > client.max_payload:
        made[headers.CUT] = str(len(body))
        made = _limited(made, client.max_payload)
        body = body[: client.max_payload - headers.size_of(made)]
    try:
        await jetstream.publish(subject, body, headers=made)
    except APIError as error:
        if error.err_code != TOO_LARGE_FOR_STREAM:
            raise
        made = _limited(made, 0)
        await jetstream.publish(subject, b"", headers=made | {headers.CUT: str(len(item.body))})


def dead_letter_headers(origin: Origin, item: RefusedItem) -> dict[str, str]:
    """Return the headers of a dead letter: those of the message, reason, code, and a message id.

    Headers with which the publisher of the message controls its stream are left out, and so is
    the header of the server's own replies.
    """
    made = {
        name: value
        for name, value in headers.of_sender(origin.headers or {}).items()
        if _NAME.fullmatch(name) and name.lower() != _STATUS
    }
    identifier = f"{origin.stream}:{origin.sequence}:{origin.stored_at}"
    if item.index is not None:
        identifier += f":{item.index}"
        made[headers.ITEM] = str(item.index)
    original = header(origin.headers, headers.MESSAGE_ID)
    if original is not None:
        made[headers.ORIGINAL_ID] = original
    reason = " ".join(item.error.message.split())[:MAX_REASON]
    made |= {
        headers.REASON: reason,
        headers.CODE: str(item.error.code),
        headers.MESSAGE_ID: identifier,
    }
    return made


def _limited(made: Mapping[str, str], most: int) -> dict[str, str]:
    """Return the essential headers, and those of the others that fit, the keys first."""
    if headers.size_of(made) <= most:
        return dict(made)
    first = (*_ESSENTIAL, headers.CLIENT, headers.USER, headers.ORIGINAL_ID)
    limited: dict[str, str] = {}
    size = headers.size_of({})
    for name in dict.fromkeys((*first, *made)):
        if name in made:
            more = headers.line_size(name, made[name])
            if name in _ESSENTIAL or size + more <= most:
                limited[name] = made[name]
                size += more
    return limited
