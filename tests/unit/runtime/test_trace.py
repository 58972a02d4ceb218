"""The trace id: its format and its scope."""

import re
import threading
from base64 import b32decode
from uuid import RFC_4122, UUID

import pytest

from pipeline.runtime.trace import (
    bind_trace_id,
    clear_trace_id,
    current_trace_id,
    new_trace_id,
    trace,
)


def test_a_trace_id_is_base32_of_a_random_uuid() -> None:
    """A trace id is 26 characters of Base32, new each time."""
    ids = {new_trace_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[A-Z2-7]{26}", each) for each in ids)
    uuids = {UUID(bytes=b32decode(f"{each}======")) for each in ids}
    assert {(each.version, each.variant) for each in uuids} == {(4, RFC_4122)}


def test_a_trace_id_is_bound_until_it_is_cleared() -> None:
    """It is bound until `clear_trace_id`."""
    assert current_trace_id() is None
    try:
        assert bind_trace_id("GIVEN") == "GIVEN"
        assert current_trace_id() == "GIVEN"
        assert bind_trace_id() == current_trace_id() != "GIVEN"
    finally:
        clear_trace_id()
    assert current_trace_id() is None


def test_a_block_restores_the_previous_trace_id() -> None:
    """Blocks can be nested, and an exception restores the id too."""
    with trace("OUTER"):
        with trace() as inner:
            assert current_trace_id() == inner
        with pytest.raises(ZeroDivisionError), trace():
            _ = 1 / 0
        assert current_trace_id() == "OUTER"
    assert current_trace_id() is None


def test_threads_do_not_share_a_trace_id() -> None:
    """Another thread has no trace id until it binds one."""
    seen: list[str | None] = []
    with trace():
        thread = threading.Thread(target=lambda: seen.append(current_trace_id()))
        thread.start()
        thread.join()
    assert seen == [None]
