"""Threads that run a function for the event loop.

`ThreadPoolExecutor` with `asyncio.wrap_future` does the same. Its two futures and
their locks cost 20 µs for each request, a fifth of what the front end spends on a lookup.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_END: Final = None


class LoopThreads(Generic[T]):
    """Threads of one event loop; they start with the first call.

    Args:
        threads: functions that run at a time.
        name: of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._number = threads
        self._name = name
        self._calls: SimpleQueue[tuple[asyncio.Future[Any], Callable[..., Any], Any] | None]
        self._calls = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., T], *arguments: object
    ) -> "asyncio.Future[T]":
        """Return a future of what a function returns or raises; on the event loop's thread.

        Cancelling the future keeps a function from running that no thread has begun.

        Args:
            loop: the running event loop.
            function: to call.
            arguments: of the call.
        """
        if not self._threads:
            self._start()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put((future, function, arguments))
        return future

    def close(self) -> None:
        """Wait until all functions have returned, and end the threads."""
        for _ in self._threads:
            self._calls.put(_END)
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        for number in range(self._number):
            thread = threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while (call := self._calls.get()) is not _END:
            future, function, arguments = call
            if future.cancelled():
                continue
            try:
                result = function(*arguments)
            except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
                _tell(future, future.set_exception, error)
            else:
                _tell(future, future.set_result, result)
            del call, future, function, arguments  # a thread that waits holds nothing


def _tell(future: "asyncio.Future[T]", tell: Callable[[Any], None], outcome: object) -> None:
    """Have the event loop set the outcome of a future."""
    future.get_loop().call_soon_threadsafe(_set, future, tell, outcome)


def _set(future: "asyncio.Future[T]", tell: Callable[[Any], None], outcome: object) -> None:
    if not future.done():
        tell(outcome)
