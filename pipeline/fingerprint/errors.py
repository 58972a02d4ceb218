"""The errors of a compressed fingerprint."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a fingerprint was refused; one word for metrics and the submission's status."""

    EMPTY = "empty"
    LEADING_SPACE = "leading_space"
    TOO_SHORT = "too_short"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"


class InvalidFingerprint(ValueError):  # noqa: N818 - named as in API code 3
    """A text or byte string is not a fingerprint.

    Attributes:
        reason: the check that it failed; the message has the details.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["InvalidFingerprint"], tuple[Reason, str]]:
        """Pickle both arguments: by default an exception keeps only the message."""
        return type(self), (self.reason, str(self))
