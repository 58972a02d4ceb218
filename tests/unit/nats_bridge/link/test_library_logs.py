"""Log records of nats-py: no traceback, and each text once a minute."""

import logging

import pytest

from nats_bridge.link.library_logs import LIBRARY, limit_library_logs


def test_records_have_no_traceback_and_are_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    limit_library_logs()
    limit_library_logs()
    library = logging.getLogger(LIBRARY)
    for _ in range(5):
        library.error("nats: encountered error", exc_info=ValueError("the secret"))
    [record] = caplog.records
    assert record.getMessage() == "nats: encountered error: ValueError"
    assert record.exc_info is None
    assert "secret" not in caplog.text


def test_the_warning_at_the_end_of_a_connection_with_tls_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limit_library_logs()
    library = logging.getLogger("asyncio")
    library.warning("returning true from eof_received() has no effect when using ssl")
    library.warning("another one")
    assert [each.getMessage() for each in caplog.records] == ["another one"]
