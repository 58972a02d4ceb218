"""Reads from an iterator in a thread, so that its reader can stop waiting after some time."""

import queue
import threading
from collections.abc import Generator, Iterable
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")

_AHEAD: Final = 100  # items that are read before they are needed
_CHECK: Final = 0.2  # seconds between two checks for the end while the queue is full


class _End:
    """The end of the items."""


END: Final = _End()


class ReadAhead(Generic[T]):
    """Reads the items of an iterable in a thread.

    A context manager: at its end the thread stops after the item that it waits for. The thread does
    not keep the process alive, since a read from a terminal cannot be interrupted.

    Args:
        items: an iterable that only the thread uses.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self._queue: queue.Queue[T | _End] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()

    def next(self, timeout: float | None) -> T | _End | None:
        """Return the next item, `END` after the last one, or None if the time is over.

        Args:
            timeout: seconds to wait; None waits without a limit.
        """
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None

    def raise_error(self) -> None:
        """Raise the exception that has ended the items, if there is one. Call it after `END`."""
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        try:
            for item in self._items:
                self._put(item)
                if self._stopped.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - `raise_error` raises it in another thread
            self._error = error
        finally:
            if isinstance(self._items, Generator):
                self._items.close()
            self._put(END)

    def _put(self, item: T | _End) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_CHECK)
            except queue.Full:
                continue
            return
