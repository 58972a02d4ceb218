"""Reads dead letters, and publishes their messages again."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from nats import errors
from nats.aio.client import Client
from nats.js.api import StreamInfo
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from nats_bridge import headers
from nats_bridge.link.link_errors import explain_link
from nats_bridge.streams.preparation import (
    SetupError,
    check_jetstream,
    check_storing,
    stream_of,
)
from pipeline.runtime.links.connection_limits import NATS
from pipeline.settings.sections import NatsSettings

CODE_DIGITS: Final = 9
"""Maximum number of digits of a code. Python converts no number of more than 4300."""


class RequeueError(Exception):
    """A dead letter cannot be published again. The text has the reason."""


@dataclass(frozen=True)
class DeadLetter:
    """A message that was refused.

    Attributes:
        sequence: its place in the stream of the dead letters.
        time: when that stream stored it.
        subject: the subject of the dead letters.
        headers: all headers; of repeated ones the last value.
        body: the body.
    """

    sequence: int
    time: datetime
    subject: str
    headers: dict[str, str]
    body: bytes

    @cached_property
    def _by_lower_name(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    @property
    def code(self) -> int | None:
        """The code of the error; None if the dead letter has none."""
        text = self._by_lower_name.get(headers.CODE.lower(), "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= CODE_DIGITS else None

    @property
    def reason(self) -> str | None:
        """Why the message was refused."""
        return self._by_lower_name.get(headers.REASON.lower())

    @property
    def client(self) -> str | None:
        """The key of the application."""
        return self._by_lower_name.get(headers.CLIENT.lower())

    @property
    def is_cut(self) -> bool:
        """Whether the body is incomplete."""
        return headers.CUT.lower() in self._by_lower_name

    def original_headers(self) -> dict[str, str]:
        """Return the headers of the refused message, without its message id."""
        return headers.of_sender(self.headers)


class DeadLetters:
    """The dead letters in their stream. Use `open` to make one.

    Args:
        client: the connection.
        settings: the settings.
        stream: the stream that holds the subject of the dead letters.
        info: its state, when it was opened.
    """

    def __init__(
        self, client: Client, settings: NatsSettings, stream: str, info: StreamInfo
    ) -> None:
        self._jetstream = client.jetstream(timeout=NATS.reply)
        self._client = client
        self._settings = settings
        self.stream = stream
        self._last = info.state.last_seq
        self._count = (info.state.subjects or {}).get(settings.dead_letter_subject, 0)
        self._is_locked = info.config.deny_delete or info.config.sealed

    @classmethod
    async def open(cls, client: Client, settings: NatsSettings) -> "DeadLetters":
        """Find the stream of the dead letters.

        Raises:
            SetupError: JetStream is off, or no stream holds the subject.
            nats.errors.Error: no reply, or a temporary fault of the server.
        """
        jetstream = client.jetstream(timeout=NATS.reply)
        await check_jetstream(jetstream)
        subject = settings.dead_letter_subject
        stream = await stream_of(jetstream, subject)
        if stream is None:
            raise SetupError(
                f"no stream holds the subject {subject} of dead letters: `acoustid ingest nats` "
                "makes one when it starts; check [nats] stream and dead_letter"
            )
        info = await jetstream.stream_info(stream, subjects_filter=subject)
        return cls(client, settings, stream, info)

    @property
    def count(self) -> int:
        """Number of dead letters when the stream was opened."""
        return self._count

    async def find(self, sequence: int) -> DeadLetter | None:
        """Return a dead letter; None if there is none with this sequence.

        Raises:
            nats.errors.Error: no reply, or a temporary fault of the server.
        """
        found = await self._get({"seq": sequence})
        if found is None or found.subject != self._settings.dead_letter_subject:
            return None
        return found

    async def all(self) -> AsyncIterator[DeadLetter]:
        """Yield the dead letters, oldest first, but not those that arrive after the opening.

        Raises:
            nats.errors.Error: no reply, or a temporary fault of the server.
        """
        sequence = 1
        subject = self._settings.dead_letter_subject
        while sequence <= self._last:
            found = await self._get({"seq": sequence, "next_by_subj": subject})
            if found is None or found.sequence > self._last:
                return
            yield found
            sequence = found.sequence + 1

    async def check_requeue(self) -> None:
        """Check that messages can be published again, and their dead letters be deleted.

        Raises:
            SetupError: one of the two streams does not permit it.
            nats.errors.Error: no reply, or a temporary fault of the server.
        """
        subject = self._settings.submission_subject
        if stream := await stream_of(self._jetstream, subject):
            await check_storing(self._jetstream, stream, subject)
        if self._is_locked:
            raise SetupError(
                f"stream {self.stream} permits no deletion (deny_delete or sealed), so a message "
                "that is published again stays a dead letter: use a stream without it for "
                f"{self._settings.dead_letter_subject}"
            )

    def sent_headers(self, letter: DeadLetter) -> dict[str, str]:
        """Return the headers with which the message of a dead letter is published again."""
        stored = round(letter.time.timestamp() * 1_000_000)
        identifier = f"requeue:{self.stream}:{letter.sequence}:{stored}"
        return {**letter.original_headers(), headers.MESSAGE_ID: identifier}

    async def requeue(self, letter: DeadLetter) -> None:
        """Publish the message of a dead letter again, and then delete the dead letter.

        The message id depends on the place of the dead letter. So after an interruption, the stream
        or the ingest ignores the second message.

        Raises:
            RequeueError: the message cannot be published.
            SetupError: no stream holds the subject of the submissions.
            nats.errors.Error: no reply, or a temporary fault of the server.
        """
        if letter.is_cut:
            raise RequeueError("the body is incomplete, since it exceeded a limit of the stream")
        subject = self._settings.submission_subject
        sent = self.sent_headers(letter)
        # The server would end the connection. nats-py compares the body only.
        if headers.size_of(sent) + len(letter.body) > self._client.max_payload:
            raise RequeueError(explain_link(errors.MaxPayloadError()))
        try:
            await self._jetstream.publish(subject, letter.body, headers=sent, timeout=NATS.reply)
        except NoStreamResponseError:
            raise SetupError(
                f"no stream holds the subject {subject} of submissions: `acoustid ingest nats` "
                "makes one when it starts; check [nats] stream and subject"
            ) from None
        except (errors.MaxPayloadError, errors.BadHeaderError) as error:
            raise RequeueError(explain_link(error)) from error
        except APIError as error:
            if error.code is not None and error.code >= 500:
                raise
            raise RequeueError(f"the stream refuses it ({error.description})") from error
        try:
            await self._jetstream.delete_msg(self.stream, letter.sequence)
        except APIError:
            # The code for an absent message depends on its place in the stream.
            if await self.find(letter.sequence) is not None:
                raise

    async def _get(self, request: dict[str, Any]) -> DeadLetter | None:
        """Return a message of the stream.

        `get_msg` of nats-py damages headers that are not ASCII.
        https://docs.nats.io/reference/reference-protocols/nats_api_reference#fetching-from-a-stream-by-sequence
        """
        reply = await self._client.request(
            f"$JS.API.STREAM.MSG.GET.{self.stream}",
            json.dumps(request).encode(),
            timeout=NATS.reply,
        )
        found = json.loads(reply.data)
        if "error" in found:
            try:
                APIError.from_error(found["error"])
            except NotFoundError:
                return None
        message = found["message"]
        return DeadLetter(
            sequence=message["seq"],
            time=_time(message["time"]),
            subject=message["subject"],
            headers=_headers(base64.b64decode(message.get("hdrs") or "")),
            body=base64.b64decode(message.get("data") or ""),
        )


def _time(text: str) -> datetime:
    """Parse a time of RFC 3339 with up to nine decimals."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")


def _headers(block: bytes) -> dict[str, str]:
    """Parse headers, below a line with the version.

    https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub
    """
    found = {}
    for line in block.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            found[name.decode("utf-8", "replace").strip()] = value.decode(
                "utf-8", "replace"
            ).strip()
    return found
