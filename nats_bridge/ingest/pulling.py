"""Pulls the messages of a durable consumer.

nats-py has `PullSubscription` for this. It takes any message with a header ``Status`` for a reply
of the server to its request, so a publisher can write messages that are never handled, or that
stop the others. Here, the subject tells the two apart: the server sends replies to the inbox of the
request, and messages with the subject of their publication.

The protocol: https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import nats.errors
from nats.js.api import Header, StatusCode

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

REPLY_TIME: Final = 1.0
"""Seconds to wait for the end of a request that has expired at the server."""

MAX_WAITING_BYTES: Final = 256 * 1024 * 1024
"""Size of delivered messages above which nats-py drops further ones; they are delivered again."""

NEXT: Final = "$JS.API.CONSUMER.MSG.NEXT"
"""Begin of the subject of requests for the next messages of a consumer."""

_EMPTY: Final = (StatusCode.NO_MESSAGES, StatusCode.REQUEST_TIMEOUT)


class PullRefusedError(nats.errors.Error):
    """The server cannot deliver messages now: for example, the consumer is gone."""


class Pulling:
    """Requests messages of a consumer, and receives them.

    Args:
        client: the connection to NATS.
        subscription: the subscription to `inbox` with a further token, which is a request's number.
        inbox: the subject of replies to requests.
        subject: the subject of requests.
    """

    def __init__(
        self, client: Client, subscription: Subscription, inbox: str, subject: str
    ) -> None:
        self._client = client
        self._subscription = subscription
        self._inbox = inbox
        self._subject = subject
        self._number = 0

    @classmethod
    async def begin(cls, client: Client, stream: str, consumer: str) -> Pulling:
        """Subscribe to the messages of a consumer."""
        inbox = client.new_inbox()
        subscription = await client.subscribe(f"{inbox}.*", pending_bytes_limit=MAX_WAITING_BYTES)
        return cls(client, subscription, inbox, f"{NEXT}.{stream}.{consumer}")

    async def end(self) -> None:
        """End the subscription.

        Raises:
            nats.errors.Error: the connection is closed.
        """
        await self._subscription.unsubscribe()

    async def received(self, most: int) -> list[Msg]:
        """Return messages that were delivered after the end of their request."""
        found: list[Msg] = []
        while len(found) < most and self._subscription.pending_msgs:
            message = await self._subscription.next_msg(REPLY_TIME)
            if not self._is_reply(message):
                found.append(message)
        return found

    async def request(self, most: int, seconds: float) -> list[Msg]:
        """Return the next messages: when there are enough, or else after some seconds.

        Raises:
            PullRefusedError: the server cannot deliver messages, and has delivered none.
            nats.errors.Error: the connection is closed.
        """
        self._number += 1
        reply = f"{self._inbox}.{self._number}"
        wanted = {"batch": most, "expires": round(seconds * 1e9)}
        await self._client.publish(self._subject, json.dumps(wanted).encode(), reply)
        clock = asyncio.get_running_loop().time
        latest = clock() + seconds + REPLY_TIME
        found: list[Msg] = []
        with suppress(nats.errors.TimeoutError):  # the request or its end is lost
            while len(found) < most:
                message = await self._subscription.next_msg(max(latest - clock(), 0.001))
                if not self._is_reply(message):
                    found.append(message)
                elif message.subject == reply:
                    if not found:
                        _check(message)
                    break
        return found

    def _is_reply(self, message: Msg) -> bool:
        return message.subject.startswith(self._inbox)


def _check(reply: Msg) -> None:
    """Check the end of a request without messages.

    Raises:
        PullRefusedError: the server cannot deliver messages.
    """
    given = reply.headers or {}
    if given.get(Header.STATUS) not in _EMPTY:
        status, text = (given.get(each, "") for each in (Header.STATUS, Header.DESCRIPTION))
        reason = " ".join([status, *text.splitlines()[:1]]).strip()
        raise PullRefusedError(f"NATS delivers no messages now: {reason}")
