"""Publishes many messages, each until a stream has stored it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError

from nats_bridge import headers as names
from nats_bridge.announcements.publish_errors import PUBLISH_ERRORS, is_too_large
from nats_bridge.link.link_errors import explain_link

WINDOW: Final = 256
"""Number of messages that wait for the acknowledgement of the server at the same time."""

ACKNOWLEDGED_IN: Final = 5.0
"""Seconds for an acknowledgement. Then the message is published again, with the same identifier."""

GIVE_UP_AFTER: Final = 60.0
"""Seconds of attempts for one message."""

PAUSE: Final = 0.5
"""Seconds before another attempt."""


class NotStoredError(Exception):
    """The server does not store messages. The text gives the reason, without secrets."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish.

    Attributes:
        name: how texts name it, such as ``line 7``.
        identity: its ``Nats-Msg-Id``, the same in each run.
        body: the JSON of a submission, or of a list of submissions.
    """

    name: str
    identity: str
    body: bytes = field(repr=False)


@dataclass(slots=True)
class PublishCounts:
    """The numbers of a run.

    Attributes:
        stored: messages that the stream has stored in this run.
        known: messages that it had stored before, by their identifiers.
        refused: messages that are not published, as the caller counts them.
    """

    stored: int = 0
    known: int = 0
    refused: int = 0


async def publish_all(
    client: Client,
    subject: str,
    messages: Iterator[Message],
    headers: Mapping[str, str],
    counts: PublishCounts,
    refuse: Callable[[str, str], None],
) -> None:
    """Publish messages, and wait until a stream has stored each.

    Args:
        client: the connection.
        subject: the subject of the submissions.
        messages: the messages. They are read in a thread, so they may come from a slow file.
        headers: the headers of each message, besides its identifier.
        counts: the numbers, while they grow.
        refuse: called with the name of a message that is too large, and the reason.

    Raises:
        NotStoredError: the server did not acknowledge a message for `GIVE_UP_AFTER`, or it has
            closed the connection for ever.
    """

    async def publish(message: Message) -> None:
        sent = {**headers, names.MESSAGE_ID: message.identity}
        # nats-py compares the body only. The server ends the connection if headers and body exceed
        # its limit, and the next attempt would end it again.
        size, limit = names.size_of(sent) + len(message.body), client.max_payload
        if size > limit:
            refuse(message.name, f"its message has {size} bytes; {limit} are possible here")
            return
        try:
            is_new = await _stored(client, subject, message.body, sent)
        except PUBLISH_ERRORS as error:
            if not is_too_large(error):
                raise NotStoredError(_reason(error)) from error
            refuse(message.name, f"its message is larger than the stream of {subject} accepts")
        else:
            counts.stored += is_new
            counts.known += not is_new

    while batch := await asyncio.to_thread(lambda: list(islice(messages, WINDOW))):
        await asyncio.gather(*map(publish, batch))


async def _stored(client: Client, subject: str, body: bytes, sent: dict[str, str]) -> bool:
    """Publish a message until it is stored; return False if the stream had it before.

    Raises:
        Exception: one of `PUBLISH_ERRORS`, of the last attempt.
    """
    jetstream = client.jetstream()
    loop = asyncio.get_running_loop()
    ends = loop.time() + GIVE_UP_AFTER
    while True:
        try:
            found = await jetstream.publish(subject, body, timeout=ACKNOWLEDGED_IN, headers=sent)
        except PUBLISH_ERRORS as error:
            if is_too_large(error) or client.is_closed or loop.time() >= ends:
                raise
            await asyncio.sleep(PAUSE)
        else:
            return not found.duplicate


def _reason(error: Exception) -> str:
    if isinstance(error, NoStreamResponseError):
        return "no stream holds the subject"
    return explain_link(error)
