"""What the index server refuses, by the names that clients of fpindex know."""

from typing import ClassVar


class IndexServerError(Exception):
    """An error that a client is told by name.

    Attributes:
        status: the HTTP status.
    """

    status: ClassVar[int] = 500

    @classmethod
    def name(cls) -> str:
        """Return what the reply calls it."""
        return cls.__name__.removesuffix("Error")


class InternalError(IndexServerError):
    """Something went wrong here; the log says what."""


class BadRequestError(IndexServerError):
    """The body is missing or cannot be understood, or an id is no number."""

    status = 400


class InvalidIndexNameError(IndexServerError):
    """A name that is not 1 to 255 of ``A-Z a-z 0-9 _ -``."""

    status = 400


class InvalidFingerprintIdError(IndexServerError):
    """Id 0, which no fingerprint can have."""

    status = 400


class IndexNotFoundError(IndexServerError):
    """There is no index of that name."""

    status = 404


class FingerprintNotFoundError(IndexServerError):
    """The index holds no fingerprint of that id."""

    status = 404


class NotFoundError(IndexServerError):
    """There is no such path."""

    status = 404


class MethodNotAllowedError(IndexServerError):
    """The path has another method."""

    status = 405


class VersionMismatchError(IndexServerError):
    """The index is not at the version that the update expects."""

    status = 409


class IndexAlreadyExistsError(IndexServerError):
    """An index of that name exists where none was expected."""

    status = 409


class OlderIndexAlreadyExistsError(IndexServerError):
    """The generation asked for is not later than one that exists or existed."""

    status = 409


class NewerIndexAlreadyExistsError(IndexServerError):
    """The index exists in an earlier generation than the one asked for."""

    status = 409


class BodyTooLargeError(IndexServerError):
    """More bytes than a request may have."""

    status = 413


class UnsupportedMediaTypeError(IndexServerError):
    """A body that is neither JSON nor MessagePack."""

    status = 415


class SearchTimeoutError(IndexServerError):
    """The search was not done in the time it was given."""

    status = 503
