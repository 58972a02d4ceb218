"""The durable pull consumer of the submissions, and the checks of an existing one."""

from collections.abc import Iterator
from typing import Final

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, ReplayPolicy

from pipeline.settings.sections import NatsSettings

CONSUMER_MARK: Final = "acoustid ingest nats"
"""The description of consumers that this service made. It changes only these."""

MAX_ACK_PENDING: Final = 20_000
"""Number of unacknowledged messages of all processes, above which none are delivered."""

UNLIMITED: Final = (None, -1, 0)

COMPLETE: Final = (
    None,
    DeliverPolicy.ALL,
    DeliverPolicy.BY_START_SEQUENCE,
    DeliverPolicy.BY_START_TIME,
)
"""Policies that deliver each message from the start, or from a chosen place on."""


def new_consumer(settings: NatsSettings) -> ConsumerConfig:
    """Return the configuration of a new consumer."""
    return ConsumerConfig(
        durable_name=settings.consumer,
        description=CONSUMER_MARK,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=settings.ack_wait,
        max_deliver=-1,
        filter_subject=settings.submission_subject,
        replay_policy=ReplayPolicy.INSTANT,
        max_ack_pending=MAX_ACK_PENDING,
    )


def consumer_mistakes(config: ConsumerConfig, settings: NatsSettings) -> list[str]:
    """Return what makes an existing consumer unusable: each wrong value with the right one."""
    return list(_mistakes(config, settings.submission_subject))


def _mistakes(config: ConsumerConfig, subject: str) -> Iterator[str]:
    if config.deliver_subject:
        yield f"the deliver subject {config.deliver_subject} (it must be a pull consumer)"
    if config.ack_policy != AckPolicy.EXPLICIT:
        yield f"ack policy {_name(config.ack_policy)} (it must be explicit)"
    if config.deliver_policy not in COMPLETE:
        yield f"deliver policy {_name(config.deliver_policy)} (it must be all)"
    if config.replay_policy not in (None, ReplayPolicy.INSTANT):
        yield f"replay policy {_name(config.replay_policy)} (it must be instant)"
    if config.max_deliver not in UNLIMITED:
        yield f"max deliver {config.max_deliver} (it must be -1, or messages are lost)"
    if config.headers_only:
        yield "headers only (it must deliver bodies)"
    filters = [config.filter_subject] if config.filter_subject else config.filter_subjects
    if filters != [subject]:
        shown = ", ".join(filters or ()) or "no subject"
        yield f"the filter {shown} (it must be {subject})"


def _name(policy: object) -> str:
    return str(getattr(policy, "value", policy))
