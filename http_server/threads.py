"""Threads that run functions for the event loop.

`ThreadPoolExecutor` with `asyncio.wrap_future` does the same, but its two futures and their locks
take about 10 µs more per request.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that `LoopThreads.close` waits for the running functions."""


class Call(Generic[T]):
    """A function call that waits for a thread, runs in one, or has ended.

    Attributes:
        future: resolves to the result or the exception; for use in the event loop's thread.
        latest: time on the monotonic clock by which a thread must begin it; infinity if it must
            run, however late.
    """

    __slots__ = ("_work", "future", "latest")

    def __init__(
        self, future: "asyncio.Future[T]", function: Callable[..., T], arguments: tuple[object, ...]
    ) -> None:
        self.future = future
        self.latest = math.inf
        self._work = [(function, arguments)]

    def cancel(self) -> bool:
        """Cancel the call unless a thread has begun it; return whether it is cancelled."""
        if self._take() is None:
            return False
        self.future.cancel()
        return True

    def refuse(self, error: BaseException) -> None:
        """Let the future raise an error unless a thread has begun the call."""
        if self._take() is not None:
            _set(self.future, self.future.set_exception, error)

    def run(self) -> None:
        """Call the function, unless the call is cancelled, and set the result of `future`."""
        work = self._take()
        if work is None:
            return
        function, arguments = work
        try:
            result = function(*arguments)
        except StopIteration:  # a future refuses this exception
            _set_outcome(
                self.future, self.future.set_exception, RuntimeError("StopIteration was raised")
            )
        except BaseException as error:  # noqa: BLE001 - awaiting the future raises it
            _set_outcome(self.future, self.future.set_exception, error)
        else:
            _set_outcome(self.future, self.future.set_result, result)

    def _take(self) -> tuple[Callable[..., T], tuple[object, ...]] | None:
        """Return the function and its arguments to the first caller, None to all others."""
        try:
            return self._work.pop()  # an atomic operation
        except IndexError:
            return None


class LoopThreads:
    """Threads of one event loop. They start at the first call.

    A thread that has ended a call takes the next one. If none waits, it sleeps. A new call wakes
    the thread that was busy last: its memory is still in the processor's cache. One thread is woken
    at a time, and it wakes the next one if further calls wait. So a thread that ends a call in the
    meantime takes a call without a change of threads, which costs more than a short call.

    Args:
        threads: the number of threads.
        name: prefix of the threads' names.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._number = threads
        self._name = name
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()  # for the attributes below
        self._calls: deque[Call[Any] | None] = deque()
        self._asleep: list[threading.Lock] = []  # a thread wakes when its lock is released
        self._is_waking = False

    def submit(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., T], *arguments: object
    ) -> Call[T]:
        """Call a function in the first thread that is free, and return the call.

        Args:
            loop: the running event loop.
            function: the function.
            arguments: the arguments of the function.
        """
        if not self._threads:
            self._start()
        call = Call(loop.create_future(), function, arguments)
        self._put(call)
        return call

    def refuse_late(self, make_error: Callable[[], BaseException]) -> None:
        """Refuse the waiting calls whose latest time has passed; in the event loop's thread.

        Args:
            make_error: returns the error that a call's future raises.
        """
        now = time.monotonic()
        with self._lock:
            late = [call for call in self._calls if call is not None and call.latest < now]
        for call in late:
            call.refuse(make_error())

    def close(self) -> None:
        """Wait up to `CLOSE_TIMEOUT` seconds for the running functions, and end the threads."""
        for _ in self._threads:
            self._put(None)
        until = time.monotonic() + CLOSE_TIMEOUT
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _put(self, call: Call[Any] | None) -> None:
        with self._lock:
            self._calls.append(call)
            self._wake_one()

    def _get(self, awake: threading.Lock) -> Call[Any] | None:
        """Return the next call, or None if the thread must end.

        Args:
            awake: the lock of the calling thread, which it has acquired.
        """
        while True:
            with self._lock:
                if self._calls:
                    call = self._calls.popleft()
                    self._wake_one()
                    return call
                self._asleep.append(awake)
            awake.acquire()  # for work: `close` wakes each thread
            self._is_waking = False

    def _wake_one(self) -> None:
        """Wake a thread if a call waits and no thread is waking up."""
        if self._calls and self._asleep and not self._is_waking:
            self._is_waking = True
            self._asleep.pop().release()

    def _start(self) -> None:
        for number in range(self._number):
            thread = threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        awake = threading.Lock()
        awake.acquire()  # never waits, since no other thread has the lock
        while (call := self._get(awake)) is not None:
            call.run()
            del call  # so that the call is freed while the thread waits


def _set_outcome(
    future: "asyncio.Future[T]", setter: Callable[[Any], None], outcome: object
) -> None:
    """Set the result or the exception of a future, in the event loop's thread."""
    with suppress(RuntimeError):  # the loop is closed, so the outcome is not needed
        future.get_loop().call_soon_threadsafe(_set, future, setter, outcome)


def _set(future: "asyncio.Future[T]", setter: Callable[[Any], None], outcome: object) -> None:
    if not future.done():
        setter(outcome)
