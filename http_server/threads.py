"""Threads that run a function for the event loop.

`ThreadPoolExecutor` with `asyncio.wrap_future` does the same. Its two futures and
their locks cost some 10 µs more for each request.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

CLOSING: Final = 5.0
"""Seconds that the functions under way have when the threads are closed."""


class Call(Generic[T]):
    """A function that waits for a thread, runs in one, or has run.

    Attributes:
        future: what it returns or raises, on the event loop's thread.
    """

    __slots__ = ("_work", "future")

    def __init__(
        self, future: "asyncio.Future[T]", function: Callable[..., T], arguments: tuple[object, ...]
    ) -> None:
        self.future = future
        self._work = [(function, arguments)]

    def cancel(self) -> bool:
        """Take the call back; return whether that was possible: no thread had begun it."""
        if self._take() is None:
            return False
        self.future.cancel()
        return True

    def run(self) -> None:
        """Call the function, unless the call was taken back; tell the event loop the outcome."""
        work = self._take()
        if work is None:
            return
        function, arguments = work
        try:
            result = function(*arguments)
        except StopIteration:  # a future takes it for its own
            _tell(self.future, self.future.set_exception, RuntimeError("StopIteration was raised"))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            _tell(self.future, self.future.set_exception, error)
        else:
            _tell(self.future, self.future.set_result, result)

    def _take(self) -> tuple[Callable[..., T], tuple[object, ...]] | None:
        """Return the function and its arguments to the first caller; a list's pop is atomic."""
        try:
            return self._work.pop()
        except IndexError:
            return None


class LoopThreads:
    """Threads of one event loop; they start with the first call.

    Args:
        threads: functions that run at a time.
        name: of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._number = threads
        self._name = name
        self._calls: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., T], *arguments: object
    ) -> Call[T]:
        """Have a function called in a thread.

        Args:
            loop: the running event loop.
            function: to call.
            arguments: of the call.
        """
        if not self._threads:
            self._start()
        call = Call(loop.create_future(), function, arguments)
        self._calls.put(call)
        return call

    def close(self) -> None:
        """Let the functions under way return, for `CLOSING` seconds, and end the threads."""
        for _ in self._threads:
            self._calls.put(None)
        until = time.monotonic() + CLOSING
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _start(self) -> None:
        for number in range(self._number):
            thread = threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()
            del call  # a thread that waits holds nothing


def _tell(future: "asyncio.Future[T]", tell: Callable[[Any], None], outcome: object) -> None:
    """Have the event loop set the outcome of a future."""
    with suppress(RuntimeError):  # the loop has ended, so nothing waits for the outcome
        future.get_loop().call_soon_threadsafe(_set, future, tell, outcome)


def _set(future: "asyncio.Future[T]", tell: Callable[[Any], None], outcome: object) -> None:
    if not future.done():
        tell(outcome)
