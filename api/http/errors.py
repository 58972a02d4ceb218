"""The errors that clients get: codes, HTTP statuses and messages.

A message begins with the text of the public service, which clients may compare. A hint may follow,
which says how to correct the request. Codes below 100 are those of the public service; codes from
100 are additions of this project. No message contains an exception or a key.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pipeline.runtime.rebuildable_error import RebuildableError

MAX_QUOTED: int = 40
"""Maximum number of characters of a client's value that a message quotes."""


def quote(value: str) -> str:
    """Return a client's value in double quotes, cut after `MAX_QUOTED` characters."""
    return f'"{value if len(value) <= MAX_QUOTED else value[:MAX_QUOTED] + "..."}"'


class ApiError(RebuildableError):
    """An error that the client gets as the reply.

    Attributes:
        code: the error code in the body.
        status: the HTTP status.
        message: the text in the body.
        headers: additional headers of the reply.
    """

    code: int = 5
    status: int = 500

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.message = message
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """Return the body of the reply."""
        return {"status": "error", "error": {"code": self.code, "message": self.message}}


class UnknownFormatError(ApiError):
    """The format of the reply is unknown."""

    code, status = 1, 400

    def __init__(self, value: str) -> None:
        super().__init__(f"unknown format {quote(value)}: use json, jsonp or xml")


class MissingParameterError(ApiError):
    """A required parameter is absent or empty, or is not a number although it must be one."""

    code, status = 2, 400

    _HINTS: ClassVar[Mapping[str, str]] = {
        "client": "an application's API key",
        "user": "a user's API key",
        "fingerprint": "the value of FINGERPRINT= in fpcalc's output",
        "duration": "the length of the whole file in seconds",
        "length": "the length of the whole file in seconds",
    }

    def __init__(self, name: str, hint: str = "") -> None:
        bare = name.partition(".")[0]
        hint = hint or self._HINTS.get(bare, "")
        super().__init__(f'missing required parameter "{name}"' + (f": {hint}" if hint else ""))
        if name in ("client", "user"):
            self.status = 401
            self.headers.update(_challenge(name))


class InvalidFingerprintError(ApiError):
    """A fingerprint cannot be decoded, is empty, or has an algorithm that is not supported."""

    code, status = 3, 400

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f'invalid fingerprint: parameter "{name}": {reason}')


class InvalidApiKeyError(ApiError):
    """The application key is unknown or disabled."""

    code, status = 4, 401

    def __init__(self, hint: str) -> None:
        super().__init__(f"invalid API key: {hint}", _challenge("client"))


class InternalError(ApiError):
    """An unexpected exception occurred. It is in the log."""

    code, status = 5, 500

    def __init__(self) -> None:
        super().__init__("internal error")


class InvalidUserApiKeyError(ApiError):
    """The user key is unknown."""

    code, status = 6, 401

    def __init__(self, hint: str) -> None:
        text = 'invalid user API key ("User with the API key does not exist")'
        super().__init__(f"{text}: {hint}", _challenge("user"))


class InvalidUUIDError(ApiError):
    """A parameter that must be a UUID is not one."""

    code, status = 7, 400

    def __init__(self, name: str) -> None:
        super().__init__(
            f'parameter "{name}" is not a valid UUID: 8-4-4-4-12 hexadecimal digits are needed'
        )


class InvalidDurationError(ApiError):
    """A duration is out of range."""

    code, status = 8, 400

    def __init__(self, name: str) -> None:
        super().__init__(
            f'parameter "{name}" must be a positive integer: seconds, 1 to 32767; a decimal '
            "fraction is rounded"
        )


class InvalidBitrateError(ApiError):
    """A bitrate is out of range."""

    code, status = 9, 400

    def __init__(self, name: str) -> None:
        super().__init__(f'parameter "{name}" must be a positive integer: kbit/s, 1 to 32767')


class InvalidForeignIdError(ApiError):
    """A foreign id has no valid vendor or no id."""

    code, status = 10, 400

    def __init__(self, name: str) -> None:
        super().__init__(
            f'parameter "{name}" is not a valid foreign ID, it must be in the format vendor:id'
        )


class InvalidMaxDurationDiffError(ApiError):
    """The maximum difference of durations is out of range."""

    code, status = 11, 400

    def __init__(self, name: str) -> None:
        super().__init__(f'parameter "{name}" must be between 1 and 30')


class NotAllowedError(ApiError):
    """The feature is disabled, or only servers of the cluster or admins may use it."""

    code, status = 12, 400

    def __init__(self, hint: str) -> None:
        super().__init__(f"not allowed: {hint}")


class ServiceUnavailableError(ApiError):
    """A database, Redis or the workers are unreachable or too slow."""

    code, status = 13, 503

    def __init__(self, retry_after: int = 1, hint: str = "") -> None:
        super().__init__(
            "service currently unavailable, try again later" + (f": {hint}" if hint else ""),
            {"Retry-After": str(retry_after)},
        )


class TooManyRequestsError(ApiError):
    """A limit of the rate limiter is reached."""

    code, status = 14, 429

    def __init__(self, rate: float, retry_after: int) -> None:
        super().__init__(
            f"rate limit ({rate:f} requests per second) exceeded, try again later",
            {"Retry-After": str(retry_after)},
        )


class InvalidMusicbrainzTokenError(ApiError):
    """MusicBrainz did not return the user of the access token."""

    code, status = 15, 400

    def __init__(self) -> None:
        super().__init__("invalid MusicBrainz access token: MusicBrainz did not confirm it")


class InsecureRequestError(ApiError):
    """The path needs HTTPS, but the request is not encrypted."""

    code, status = 16, 400

    def __init__(self) -> None:
        super().__init__("only requests over HTTPS are allowed here")


class UnknownApplicationError(ApiError):
    """No application of the account has the id."""

    code, status = 17, 400

    def __init__(self) -> None:
        super().__init__("unknown application")


class FingerprintNotFoundError(ApiError):
    """No fingerprint has the id."""

    code, status = 18, 404

    def __init__(self, hint: str = "") -> None:
        super().__init__("fingerprint not found" + (f": {hint}" if hint else ""))


class RequestTooLargeError(ApiError):
    """The body is too large, or the request has too many parameters or lookups."""

    code, status = 19, 413

    def __init__(self, hint: str) -> None:
        super().__init__(f"request too large: {hint}")


class NotFoundError(ApiError):
    """The path, or the object that the request names, does not exist."""

    code, status = 100, 404

    def __init__(self, hint: str) -> None:
        super().__init__(f"not found: {hint}")


class MethodNotAllowedError(ApiError):
    """The method is not an HTTP method, or the path does not accept it."""

    code, status = 101, 405

    def __init__(self, allowed: str) -> None:
        usable = " or ".join(name for name in ("GET", "POST") if name in allowed.split(", "))
        super().__init__(f"method not allowed: use {usable}", {"Allow": allowed})


class InvalidBodyError(ApiError):
    """The body or the HTTP request itself cannot be parsed."""

    code, status = 102, 400

    def __init__(self, hint: str) -> None:
        super().__init__(f"invalid request: {hint}")


class InvalidValueError(ApiError):
    """A parameter is not valid, and the public service has no code for this error."""

    code, status = 103, 400

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(f'parameter "{name}" is not valid: {hint}')


class ConflictError(ApiError):
    """The catalogue is not in the state that the edit needs. Nothing was changed."""

    code, status = 104, 409

    def __init__(self, hint: str) -> None:
        super().__init__(f"conflict: {hint}")


def _challenge(parameter: str) -> dict[str, str]:
    """Return the header ``WWW-Authenticate``, which HTTP requires with status 401."""
    return {"WWW-Authenticate": f'AcoustID realm="acoustid", parameter="{parameter}"'}
