"""Each error has the code, the status and the start of the text of the public service."""

import pytest

from api.http import errors
from api.http.errors import ApiError

PUBLIC = [
    (errors.UnknownFormatError("x"), 1, 400, 'unknown format "x"'),
    (errors.MissingParameterError("duration.1"), 2, 400, 'missing required parameter "duration.1"'),
    (errors.InvalidFingerprintError("fingerprint", "why"), 3, 400, "invalid fingerprint"),
    (errors.InvalidApiKeyError("why"), 4, 401, "invalid API key"),
    (errors.InternalError(), 5, 500, "internal error"),
    (
        errors.InvalidUserApiKeyError("why"),
        6,
        401,
        'invalid user API key ("User with the API key does not exist")',
    ),
    (errors.InvalidUUIDError("mbid.2"), 7, 400, 'parameter "mbid.2" is not a valid UUID'),
    (errors.InvalidDurationError("d"), 8, 400, 'parameter "d" must be a positive integer'),
    (errors.InvalidBitrateError("b"), 9, 400, 'parameter "b" must be a positive integer'),
    (
        errors.InvalidForeignIdError("f"),
        10,
        400,
        'parameter "f" is not a valid foreign ID, it must be in the format vendor:id',
    ),
    (errors.InvalidMaxDurationDiffError("m"), 11, 400, 'parameter "m" must be between 1 and 30'),
    (errors.NotAllowedError("why"), 12, 400, "not allowed"),
    (
        errors.ServiceUnavailableError(),
        13,
        503,
        "service currently unavailable, try again later",
    ),
    (
        errors.TooManyRequestsError(4, 3),
        14,
        429,
        "rate limit (4.000000 requests per second) exceeded, try again later",
    ),
    (errors.InvalidMusicbrainzTokenError(), 15, 400, "invalid MusicBrainz access token"),
    (errors.InsecureRequestError(), 16, 400, "only requests over HTTPS are allowed here"),
    (errors.UnknownApplicationError(), 17, 400, "unknown application"),
    (errors.FingerprintNotFoundError(), 18, 404, "fingerprint not found"),
    (errors.RequestTooLargeError("why"), 19, 413, "request too large"),
]
OWN = [
    (errors.NotFoundError("why"), 100, 404, "not found"),
    (errors.MethodNotAllowedError("GET"), 101, 405, "method not allowed"),
    (errors.InvalidBodyError("why"), 102, 400, "invalid request"),
    (errors.InvalidValueError("hour", "why"), 103, 400, 'parameter "hour" is not valid: why'),
    (errors.ConflictError("why"), 104, 409, "conflict: why"),
]


@pytest.mark.parametrize(("error", "code", "status", "text"), [*PUBLIC, *OWN])
def test_code_status_and_text(error: ApiError, code: int, status: int, text: str) -> None:
    assert (error.code, error.status) == (code, status)
    assert error.message.startswith(text)
    expected = {"status": "error", "error": {"code": code, "message": error.message}}
    assert error.body() == expected


def test_no_two_errors_share_a_code() -> None:
    codes = [error.code for error, *_ in [*PUBLIC, *OWN]]
    assert len(set(codes)) == len(codes) == len(ApiError.__subclasses__())


@pytest.mark.parametrize("name", ["client", "user"])
def test_a_missing_key_is_a_401_with_a_challenge(name: str) -> None:
    error = errors.MissingParameterError(name)
    assert error.status == 401
    assert name in error.headers["WWW-Authenticate"]
    assert "API key" in error.message


@pytest.mark.parametrize(
    ("error", "parameter"),
    [(errors.InvalidApiKeyError("x"), "client"), (errors.InvalidUserApiKeyError("x"), "user")],
)
def test_a_wrong_key_is_a_401_with_a_challenge(error: ApiError, parameter: str) -> None:
    assert error.headers["WWW-Authenticate"].startswith("AcoustID ")
    assert f'parameter="{parameter}"' in error.headers["WWW-Authenticate"]


def test_errors_of_capacity_have_retry_after() -> None:
    assert errors.TooManyRequestsError(4, 17).headers["Retry-After"] == "17"
    assert errors.ServiceUnavailableError().headers["Retry-After"] == "1"


def test_a_missing_duration_has_a_hint() -> None:
    assert "whole file in seconds" in errors.MissingParameterError("duration.3").message
