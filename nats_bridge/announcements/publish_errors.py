"""Explains why NATS has not stored a message that was published."""

from typing import Final

from nats.errors import ConnectionClosedError, MaxPayloadError, OutboundBufferLimitError
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError

from nats_bridge.link.link_errors import TOO_LARGE_FOR_STREAM

PUBLISH_ERRORS: Final = (NatsError, OSError, TimeoutError, ValueError, KeyError, TypeError)
"""Errors of a publish. The last three are those of a reply that is not one of JetStream."""


class RefusedError(Exception):
    """NATS accepts no message at present. The text is the problem."""


def is_too_large(error: Exception) -> bool:
    """Return whether a message was refused because of its size, so others may be accepted."""
    return isinstance(error, MaxPayloadError) or (
        isinstance(error, APIError) and error.err_code == TOO_LARGE_FOR_STREAM
    )


def explained(error: Exception, subject: str, seconds: float) -> str:
    """Return why messages to a subject are not stored, and what to change.

    Args:
        error: one of `PUBLISH_ERRORS`.
        subject: the subject.
        seconds: the time that the acknowledgement had.
    """
    if isinstance(error, NoStreamResponseError):
        return f"no stream of NATS holds {subject}"
    if isinstance(error, ServiceUnavailableError):
        return (
            f"JetStream stores no messages to {subject} at present: {error.description}; look at "
            "the log of NATS"
        )
    if isinstance(error, APIError):
        return (
            f"NATS refuses messages to {subject} with the error {error.err_code}: "
            f"{error.description}. Change the stream that holds the subject"
        )
    if isinstance(error, (ConnectionClosedError, OutboundBufferLimitError)):
        return "there is no connection to NATS"
    if isinstance(error, TimeoutError):
        return (
            f"NATS has not acknowledged messages to {subject} within {seconds:g} s: look at its "
            "log, and permit the user to publish to the subject"
        )
    return f"no stream of NATS has acknowledged a message to {subject}: {type(error).__name__}"
