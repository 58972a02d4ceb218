"""Calls of functions in threads of an event loop."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from http_server.threads import LoopThreads

THREADS = 16
CALLS = 200


@pytest.fixture
def threads() -> Iterator[LoopThreads]:
    """Threads that end after the test."""
    threads = LoopThreads(THREADS, "test")
    yield threads
    threads.close()


def test_calls_one_after_the_other_use_few_threads(threads: LoopThreads) -> None:
    async def call() -> list[int]:
        loop = asyncio.get_running_loop()
        return [await threads.submit(loop, threading.get_ident).future for _ in range(CALLS)]

    used = asyncio.run(call())
    assert len(set(used)) < THREADS / 2


def test_calls_run_at_the_same_time_in_all_threads(threads: LoopThreads) -> None:
    barrier = threading.Barrier(THREADS, timeout=30)

    async def call() -> set[int]:
        loop = asyncio.get_running_loop()
        calls = [threads.submit(loop, barrier.wait).future for _ in range(THREADS)]
        return set(await asyncio.gather(*calls))

    assert asyncio.run(call()) == set(range(THREADS))


def test_calls_beyond_the_threads_run_later(threads: LoopThreads) -> None:
    def square(number: int) -> int:
        return number * number

    async def call() -> list[int]:
        loop = asyncio.get_running_loop()
        calls = [threads.submit(loop, square, number).future for number in range(CALLS)]
        return await asyncio.gather(*calls)

    assert asyncio.run(call()) == [number * number for number in range(CALLS)]


def test_a_cancelled_call_does_not_run_and_later_ones_do(threads: LoopThreads) -> None:
    run: list[int] = []
    go_on = threading.Event()

    async def call() -> None:
        loop = asyncio.get_running_loop()
        blocking = [threads.submit(loop, go_on.wait, 30).future for _ in range(THREADS)]
        waiting = [threads.submit(loop, run.append, number) for number in range(3)]
        assert waiting[1].cancel()
        go_on.set()
        await asyncio.gather(*blocking, waiting[0].future, waiting[2].future)
        assert waiting[1].future.cancelled()

    asyncio.run(call())
    assert sorted(run) == [0, 2]


def test_the_end_waits_for_running_calls() -> None:
    threads = LoopThreads(2, "test")
    done = threading.Event()

    async def call() -> None:
        threads.submit(asyncio.get_running_loop(), lambda: done.wait(0.1) or done.set())

    asyncio.run(call())
    threads.close()
    assert done.is_set()
