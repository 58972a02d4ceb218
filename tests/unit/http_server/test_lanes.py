"""Groups of paths have threads of their own, and no request waits for a thread for ever."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from http_server.bodies import LimitReachedError
from http_server.lanes import Lane, Lanes


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    """Return one thread for health checks, and one for all other paths."""
    made = Lanes(1, [Lane("health", frozenset({"/_health"}), 1)])
    yield made
    made.close()


def test_a_request_that_hangs_takes_no_thread_of_another_lane(lanes: Lanes) -> None:
    """A health check is answered while all threads of other paths hang."""
    go_on = threading.Event()

    async def call() -> tuple[str, bool]:
        loop = asyncio.get_running_loop()
        hanging = lanes.of("/v2/submit")[0].submit(loop, go_on.wait, 30)
        answer = await lanes.of("/_health")[0].submit(loop, lambda: "ok").future
        is_hanging = not hanging.future.done()
        go_on.set()
        await hanging.future
        return answer, is_hanging

    assert asyncio.run(call()) == ("ok", True)


def test_requests_that_wait_too_long_are_refused(lanes: Lanes) -> None:
    """A refused call does not run later; running and unlimited calls are not affected."""
    begun, go_on = threading.Event(), threading.Event()
    run: list[str] = []

    def hang() -> bool:
        begun.set()
        return go_on.wait(30)

    async def call() -> bool:
        loop = asyncio.get_running_loop()
        threads, _ = lanes.of("/v2/submit")
        hanging = threads.submit(loop, hang)
        hanging.latest = time.monotonic()
        assert await asyncio.to_thread(begun.wait, 30)
        waiting, unlimited = (threads.submit(loop, run.append, each) for each in ("late", "rest"))
        waiting.latest = time.monotonic() + 30
        lanes.refuse_late()
        assert not waiting.future.done()
        waiting.latest = time.monotonic() - 0.01
        lanes.refuse_late()
        with pytest.raises(LimitReachedError):
            await waiting.future
        go_on.set()
        await unlimited.future
        return await hanging.future

    assert asyncio.run(call())
    assert run == ["rest"]


def test_a_lane_can_have_a_time_limit_without_threads_of_its_own() -> None:
    """Its paths share the threads of all other paths."""
    lanes = Lanes(1, [Lane("submit", frozenset({"/v2/submit"}), None, 2.0)], 5.0)
    threads, queue_time = lanes.of("/v2/submit")
    assert (threads, 5.0) == lanes.of("/v2/submission_status")
    assert queue_time == 2.0
    lanes.close()
