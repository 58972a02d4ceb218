"""Makes and checks the stream and the consumer of the submissions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn

from nats.js import JetStreamContext
from nats.js.api import (
    ConsumerConfig,
    ConsumerInfo,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, NotFoundError

from nats_bridge.streams.consumer_checks import CONSUMER_MARK, consumer_mistakes, new_consumer
from nats_bridge.streams.subjects import holds
from pipeline.settings.sections import NatsSettings

DEAD_LETTER_WINDOW: Final = 86_400.0
"""Seconds in which a stream of dead letters that this process makes ignores a second one of the
same message. The process may end between a dead letter and the end of its message, and start again
much later."""

NO_JETSTREAM_CODES: Final = (10039, 10076)
"""``err_code`` of "not enabled for account" and "not enabled"; see nats-server's errors.json."""

INVALID_CONFIGURATION: Final = 10052
"""``err_code`` of options that the server never accepts, such as a subject of its own. Its ``code``
is 500, as of a fault that may pass."""

OVERLAPS: Final = 10065
NAME_IN_USE: Final = 10058


class SetupError(Exception):
    """Stream or consumer cannot be used. The text says what to change."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The checked stream and consumer.

    Attributes:
        stream: the name of the stream of the submissions.
        stream_created: when it was made. It identifies the stream: a stream that was deleted and
            made again counts its sequences from 1.
        consumer: the name of the durable pull consumer.
        subject: the subject of the submissions.
        dead_letter_subject: the subject of refused messages.
        dead_letter_stream: the stream that holds it.
        ack_wait: seconds after which the server delivers an unacknowledged message again. An
            existing consumer may have another value than ``[nats] ack_wait``.
    """

    stream: str
    stream_created: datetime
    consumer: str
    subject: str
    dead_letter_subject: str
    dead_letter_stream: str
    ack_wait: float


async def prepare(jetstream: JetStreamContext, settings: NatsSettings) -> Streams:
    """Make stream, consumer and the stream of the dead letters if absent; check them if present.

    Raises:
        SetupError: JetStream is off, or one of them cannot be used. The text says what to change.
            The operator may change it at any time, so the caller tries again after a pause.
        nats.errors.Error: no reply, or a temporary fault of the server.
    """
    await check_jetstream(jetstream)
    stream = await _stream_of_submissions(jetstream, settings)
    dead_letters = await ensure_stream_of(
        jetstream,
        settings.dead_letter_subject,
        f"{settings.stream}_rejected",
        duplicate_window=DEAD_LETTER_WINDOW,
    )
    consumer = await _consumer_of_submissions(jetstream, settings)
    if stream.created is None:
        raise SetupError(f"the server does not tell when stream {settings.stream} was made")
    return Streams(
        stream=settings.stream,
        stream_created=stream.created,
        consumer=settings.consumer,
        subject=settings.submission_subject,
        dead_letter_subject=settings.dead_letter_subject,
        dead_letter_stream=dead_letters,
        ack_wait=_shortest_wait(consumer.config) or settings.ack_wait,
    )


async def check_jetstream(jetstream: JetStreamContext) -> None:
    """Check that the account can use JetStream.

    Raises:
        SetupError: JetStream is off.
        nats.errors.Error: no reply, or a temporary fault of the server.
    """
    try:
        await jetstream.account_info()
    except APIError as error:
        # nats-py raises an error without a code if nothing answers at the server.
        if error.err_code is None or error.err_code in NO_JETSTREAM_CODES:
            raise SetupError(
                "JetStream is off: start nats-server with -js, or add jetstream to its "
                "configuration; with accounts, enable it in the account of [nats]"
            ) from error
        raise


async def ensure_stream_of(
    jetstream: JetStreamContext,
    subject: str,
    name: str,
    *,
    max_age: float | None = None,
    duplicate_window: float | None = None,
) -> str:
    """Return the stream that holds a subject; make one if none does.

    Args:
        jetstream: the context of the connection.
        subject: a subject without wildcards.
        name: the name of the new stream.
        max_age: seconds for which the new stream keeps messages; None for no limit.
        duplicate_window: seconds for which the new stream ignores a repeated message id; None for
            the default of the server.

    Raises:
        SetupError: a stream of this name does not hold the subject, or the stream that holds it
            acknowledges no messages, or removes messages that no consumer reads.
        nats.errors.Error: no reply, or a temporary fault of the server.
    """
    found = await stream_of(jetstream, subject)
    if found is None:
        config = StreamConfig(
            name=name,
            subjects=[subject],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            max_age=max_age,
        )
        try:
            await _make(jetstream, config.evolve(duplicate_window=duplicate_window or 0))
        except (SetupError, APIError):
            if not duplicate_window:
                raise
            await _make(jetstream, config)  # the limit of the server may be lower
        return name
    await check_storing(jetstream, found, subject)
    return found


async def check_storing(jetstream: JetStreamContext, stream: str, subject: str) -> None:
    """Check that a stream keeps each message of a subject, and acknowledges it.

    Raises:
        SetupError: it acknowledges no messages, or removes messages that no consumer reads.
        nats.errors.Error: no reply, or a temporary fault of the server.
    """
    config = (await jetstream.stream_info(stream)).config
    if config.no_ack:
        raise SetupError(
            f"stream {stream}, which holds {subject}, acknowledges no messages (no_ack), so each "
            "would be published again and again: use a stream without it"
        )
    is_interest = config.retention == RetentionPolicy.INTEREST
    if is_interest and not await _has_reader(jetstream, stream, subject):
        raise SetupError(
            f"stream {stream}, which holds {subject}, has retention interest and no consumer of "
            "this subject, so messages are lost: give it retention limits, or add a consumer"
        )


async def _has_reader(jetstream: JetStreamContext, stream: str, subject: str) -> bool:
    """Return whether a consumer of a stream gets the messages of a subject."""
    offset = 0
    while page := await jetstream.consumers_info(stream, offset):
        for each in page:
            config = each.config
            one = [config.filter_subject] if config.filter_subject else None
            if holds(one or config.filter_subjects or [">"], subject):
                return True
        offset += len(page)
    return False


async def stream_of(jetstream: JetStreamContext, subject: str) -> str | None:
    """Return the name of the stream that holds a subject; None without one."""
    try:
        return await jetstream.find_stream_name_by_subject(subject)
    except NotFoundError:
        return None


async def _stream_of_submissions(jetstream: JetStreamContext, settings: NatsSettings) -> StreamInfo:
    """Return the stream of the submissions; make it if it is absent."""
    subject = settings.submission_subject
    try:
        info = await jetstream.stream_info(settings.stream)
    except NotFoundError:
        return await _make(
            jetstream,
            StreamConfig(
                name=settings.stream,
                subjects=[subject],
                storage=StorageType.FILE,
                retention=RetentionPolicy.WORK_QUEUE,
            ),
        )
    config = info.config
    if config.mirror is None and not config.sources and not holds(config.subjects or (), subject):
        raise SetupError(
            f"stream {settings.stream} does not hold the subject {subject}: add it with `nats "
            f"stream edit {settings.stream}`, or check [nats] stream and subject"
        )
    return info


async def _make(jetstream: JetStreamContext, config: StreamConfig) -> StreamInfo:
    subject = (config.subjects or [""])[0]
    try:
        return await jetstream.add_stream(config)
    except APIError as error:
        if error.err_code == OVERLAPS:
            other = await stream_of(jetstream, subject)
            raise SetupError(
                f"stream {other or 'of another name'} holds the subject {subject} of stream "
                f"{config.name}, which is absent: change [nats] stream or the subject"
            ) from error
        if error.err_code == NAME_IN_USE:
            raise SetupError(
                f"stream {config.name} does not hold the subject {subject}: add it with `nats "
                f"stream edit {config.name}`, or delete the stream"
            ) from error
        raise_refusal(f"stream {config.name} cannot be made", error)


async def _consumer_of_submissions(
    jetstream: JetStreamContext, settings: NatsSettings
) -> ConsumerInfo:
    """Return the consumer; make it if it is absent."""
    wanted = new_consumer(settings)
    info: ConsumerInfo
    try:
        info = await jetstream.consumer_info(settings.stream, settings.consumer)
    except NotFoundError:
        return await _add(jetstream, settings, wanted)
    mistakes = consumer_mistakes(info.config, settings)
    if mistakes:
        raise SetupError(
            f"consumer {settings.consumer} of stream {settings.stream} has "
            f"{'; '.join(mistakes)}. Change or delete it (`nats consumer rm {settings.stream} "
            f"{settings.consumer}`; it is made again), or choose another name in [nats] consumer"
        )
    if info.config.description == CONSUMER_MARK and info.config.ack_wait != settings.ack_wait:
        return await _add(jetstream, settings, wanted)
    return info


async def _add(
    jetstream: JetStreamContext, settings: NatsSettings, config: ConsumerConfig
) -> ConsumerInfo:
    try:
        return await jetstream.add_consumer(settings.stream, config)
    except APIError as error:
        raise_refusal(
            f"consumer {settings.consumer} of stream {settings.stream} cannot be made", error
        )


def raise_refusal(what: str, error: APIError) -> NoReturn:
    """Raise an error of a stream or consumer that the server does not make.

    Raises:
        SetupError: the server refuses it for ever.
        APIError: `error` itself, if the fault may pass by itself.
    """
    text = error.description or ""
    is_final = (
        error.err_code == INVALID_CONFIGURATION or "insufficient" in text or "exceeded" in text
    )
    if error.code is not None and error.code >= 500 and not is_final:
        raise error
    raise SetupError(f"{what}: the server refuses it ({text})") from error


def _shortest_wait(config: ConsumerConfig) -> float | None:
    """Return the seconds before the first redelivery at the earliest."""
    return min(config.backoff) if config.backoff else config.ack_wait
