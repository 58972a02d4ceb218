"""The errors of a compressed fingerprint."""

from enum import StrEnum

from pipeline.runtime.rebuildable_error import RebuildableError


class Reason(StrEnum):
    """Why a fingerprint was refused; one word for metrics and the submission's status."""

    EMPTY = "empty"
    LEADING_SPACE = "leading_space"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"


class InvalidFingerprint(RebuildableError, ValueError):  # noqa: N818 - named as in API code 3
    """A text or byte string is not a fingerprint.

    Attributes:
        reason: the check that it failed; the message has the details.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason = Reason(reason)  # rebuilt from a message, it is a text
        self.message = message

    def __str__(self) -> str:
        return self.message
