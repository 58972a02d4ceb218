"""What can go wrong with a request, with the codes of the public protocol.

A message begins with the public service's text, which clients may know, and goes on with what to
change. Codes from 100 are this project's own: the public service has none for them, and counts on
below. No message quotes an exception or a key.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

QUOTED: int = 40
"""How much of a bad value a message repeats, in characters."""


def quote(value: str) -> str:
    """Return a client's value in double quotes, cut where it is long."""
    return f'"{value if len(value) <= QUOTED else value[:QUOTED] + "..."}"'


class ApiError(Exception):
    """An error that the client is told of.

    Attributes:
        code: the number in the body.
        status: the HTTP status.
        message: the text in the body.
        headers: headers that go with the reply.
    """

    code: ClassVar[int] = 5
    status: int = 500

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the body of the reply."""
        return {"status": "error", "error": {"code": self.code, "message": self.message}}


class UnknownFormatError(ApiError):
    """The reply is wanted in a format that there is not."""

    code, status = 1, 400

    def __init__(self, value: str) -> None:
        super().__init__(f"unknown format {quote(value)}: use json, jsonp or xml")


class MissingParameterError(ApiError):
    """A required parameter is absent, empty, or no number where one is needed."""

    code, status = 2, 400

    _HINTS: ClassVar[Mapping[str, str]] = {
        "client": "an application's API key",
        "user": "a user's API key",
        "fingerprint": "what fpcalc prints after FINGERPRINT=",
        "duration": "the length of the whole file in whole seconds",
        "length": "the length of the whole file in whole seconds",
    }

    def __init__(self, name: str, hint: str = "") -> None:
        bare = name.partition(".")[0]
        hint = hint or self._HINTS.get(bare, "")
        super().__init__(f'missing required parameter "{name}"' + (f": {hint}" if hint else ""))
        if name in ("client", "user"):
            self.status = 401
            self.headers.update(_challenge(name))


class InvalidFingerprintError(ApiError):
    """A fingerprint that cannot be decoded, is empty or of another algorithm."""

    code, status = 3, 400

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f'invalid fingerprint: parameter "{name}": {reason}')


class InvalidApiKeyError(ApiError):
    """The application key is unknown or disabled."""

    code, status = 4, 401

    def __init__(self, hint: str) -> None:
        super().__init__(f"invalid API key: {hint}", _challenge("client"))


class InternalError(ApiError):
    """Something unexpected; the log has it."""

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
    """A parameter that must be a UUID is none."""

    code, status = 7, 400

    def __init__(self, name: str) -> None:
        super().__init__(
            f'parameter "{name}" is not a valid UUID: 8-4-4-4-12 hexadecimal digits are needed'
        )


class InvalidDurationError(ApiError):
    """A duration out of range."""

    code, status = 8, 400

    def __init__(self, name: str) -> None:
        super().__init__(
            f'parameter "{name}" must be a positive integer: whole seconds, 1 to 32767'
        )


class InvalidBitrateError(ApiError):
    """A bitrate out of range."""

    code, status = 9, 400

    def __init__(self, name: str) -> None:
        super().__init__(f'parameter "{name}" must be a positive integer: kbit/s, 1 to 32767')


class InvalidForeignIdError(ApiError):
    """A foreign id without vendor or without id."""

    code, status = 10, 400

    def __init__(self, name: str) -> None:
        super().__init__(
            f'parameter "{name}" is not a valid foreign ID, it must be in the format vendor:id'
        )


class InvalidMaxDurationDiffError(ApiError):
    """A duration tolerance out of range."""

    code, status = 11, 400

    def __init__(self, name: str) -> None:
        super().__init__(f'parameter "{name}" must be between 1 and 30')


class NotAllowedError(ApiError):
    """Asked for something that is switched off here, or is for the cluster's servers alone."""

    code, status = 12, 400

    def __init__(self, hint: str) -> None:
        super().__init__(f"not allowed: {hint}")


class ServiceUnavailableError(ApiError):
    """What is needed to answer is away or too slow."""

    code, status = 13, 503

    def __init__(self, retry_after: int = 1, hint: str = "") -> None:
        super().__init__(
            "service currently unavailable, try again later" + (f": {hint}" if hint else ""),
            {"Retry-After": str(retry_after)},
        )


class TooManyRequestsError(ApiError):
    """A tier of the rate limiter refused."""

    code, status = 14, 429

    def __init__(self, rate: float, retry_after: int) -> None:
        super().__init__(
            f"rate limit ({rate:f} requests per second) exceeded, try again later",
            {"Retry-After": str(retry_after)},
        )


class InvalidMusicbrainzTokenError(ApiError):
    """MusicBrainz did not say whose the access token is."""

    code, status = 15, 400

    def __init__(self) -> None:
        super().__init__("invalid MusicBrainz access token: MusicBrainz did not confirm it")


class InsecureRequestError(ApiError):
    """What must be encrypted on its way came in clear text."""

    code, status = 16, 400

    def __init__(self) -> None:
        super().__init__("only requests over HTTPS are allowed here")


class UnknownApplicationError(ApiError):
    """No application has the id, or it is another account's."""

    code, status = 17, 400

    def __init__(self) -> None:
        super().__init__("unknown application")


class FingerprintNotFoundError(ApiError):
    """No fingerprint of the catalogue has the id."""

    code, status = 18, 404

    def __init__(self) -> None:
        super().__init__("fingerprint not found")


class RequestTooLargeError(ApiError):
    """The body, or what it asks for, is more than is taken at once."""

    code, status = 19, 413

    def __init__(self, hint: str) -> None:
        super().__init__(f"request too large: {hint}")


class NotFoundError(ApiError):
    """No such path, or no such task."""

    code, status = 100, 404

    def __init__(self, hint: str) -> None:
        super().__init__(f"not found: {hint}")


class MethodNotAllowedError(ApiError):
    """An HTTP method that is none of the known ones."""

    code, status = 101, 405

    def __init__(self, allowed: str) -> None:
        super().__init__("method not allowed: use GET or POST", {"Allow": allowed})


class InvalidBodyError(ApiError):
    """The body, or the HTTP request itself, cannot be read."""

    code, status = 102, 400

    def __init__(self, hint: str) -> None:
        super().__init__(f"invalid request: {hint}")


class InvalidValueError(ApiError):
    """A parameter that cannot be what it says, where the public service has no code for it."""

    code, status = 103, 400

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(f'parameter "{name}" is not valid: {hint}')


def _challenge(parameter: str) -> dict[str, str]:
    """Return what HTTP demands of a 401: how to authenticate."""
    return {"WWW-Authenticate": f'AcoustID realm="acoustid", parameter="{parameter}"'}
