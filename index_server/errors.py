"""The errors of the index server. Their names are those of fpindex."""

from typing import ClassVar

import structlog

from pipeline.index import FingerprintIndexError

logger = structlog.get_logger("acoustid.index_server.errors")


class IndexServerError(Exception):
    """An error that the client receives by name.

    Attributes:
        status: the HTTP status.
    """

    status: ClassVar[int] = 500

    @classmethod
    def name(cls) -> str:
        """Return the name in the reply."""
        return cls.__name__.removesuffix("Error")


class InternalError(IndexServerError):
    """An unexpected error, or a damaged index; the log has the reason."""


class BadRequestError(IndexServerError):
    """The body is missing or invalid, or an id is not a number."""

    status = 400


class InvalidIndexNameError(IndexServerError):
    """The name is not 1 to 255 of ``A-Z a-z 0-9 _ -``, or it is reserved."""

    status = 400


class InvalidFingerprintIdError(IndexServerError):
    """The id is 0, which is not a valid id."""

    status = 400


class IndexNotFoundError(IndexServerError):
    """No index has that name."""

    status = 404


class FingerprintNotFoundError(IndexServerError):
    """The index has no fingerprint with that id."""

    status = 404


class NotFoundError(IndexServerError):
    """The path does not exist."""

    status = 404


class MethodNotAllowedError(IndexServerError):
    """The path does not support the method."""

    status = 405


class VersionMismatchError(IndexServerError):
    """The index does not have the version that the update expects."""

    status = 409


class IndexAlreadyExistsError(IndexServerError):
    """The index exists, and the request does not expect that."""

    status = 409


class OlderIndexAlreadyExistsError(IndexServerError):
    """The requested generation is not later than an existing or deleted one."""

    status = 409


class NewerIndexAlreadyExistsError(IndexServerError):
    """The index exists in an earlier generation than the requested one."""

    status = 409


class UnknownFilesError(IndexServerError):
    """The folder of the name has files that the server does not understand; the log names them."""

    status = 409


class BodyTooLargeError(IndexServerError):
    """The body is larger than the limit."""

    status = 413


class UnsupportedMediaTypeError(IndexServerError):
    """The body is neither JSON nor MessagePack."""

    status = 415


class IndexDamagedError(IndexServerError):
    """Files of the index are damaged; the log and the index's health name them."""

    status = 503


class SearchTimeoutError(IndexServerError):
    """The search took longer than its timeout."""

    status = 503


def client_error(error: Exception, method: str, path: str) -> IndexServerError:
    """Return the error that a client receives. Log an unexpected error.

    Args:
        error: the exception that the request has raised.
        method: the method of the request.
        path: the path of the request.
    """
    if isinstance(error, IndexServerError):
        return error
    if isinstance(error, FingerprintIndexError):
        logger.error("the index cannot be used", method=method, path=path, reason=str(error))
        return InternalError()
    logger.error("unhandled exception", method=method, path=path, exc_info=error)
    return InternalError()
