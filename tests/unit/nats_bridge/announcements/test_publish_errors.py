"""Texts of the errors of a publish."""

import pytest
from nats.errors import ConnectionClosedError, MaxPayloadError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.errors import BadRequestError, NoStreamResponseError, ServiceUnavailableError

from nats_bridge.announcements.publish_errors import explained, is_too_large

FULL = BadRequestError(code=400, err_code=10077, description="maximum exceeded")
LARGE = BadRequestError(code=400, err_code=10054, description="too large")
AWAY = ServiceUnavailableError(code=503, err_code=10008, description="no leader")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoStreamResponseError(), "no stream of NATS holds events"),
        (FULL, "maximum exceeded. Change the stream"),
        (AWAY, "at present: no leader"),
        (ConnectionClosedError(), "no connection"),
        (NatsTimeoutError(), "within 4 s"),
        (ValueError("a secret"), "has acknowledged a message to events: ValueError"),
    ],
)
def test_an_error_is_explained(error: Exception, text: str) -> None:
    found = explained(error, "events", 4.0)
    assert text in found
    assert "secret" not in found


def test_only_a_message_that_is_too_large_leaves_the_others() -> None:
    assert [is_too_large(each) for each in (MaxPayloadError(), LARGE, FULL, AWAY)] == [
        True,
        True,
        False,
        False,
    ]
