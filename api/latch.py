"""A latch: threads wait at it until it is opened, once and for good."""

import threading


class Latch:
    """What `threading.Event` is, for one opening: a lock that is held until then.

    An event makes a condition and its locks, and another lock for whoever waits: in Python, and for
    each request.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let all pass who wait and who come; a second time changes nothing."""
        try:
            self._lock.release()
        except RuntimeError:
            return  # it is open

    def wait(self, timeout: float) -> bool:
        """Wait until the latch is open; return whether it is.

        Args:
            timeout: seconds; 0 only looks.
        """
        passed = self._lock.acquire(timeout=timeout)
        if passed:
            self.open()  # for the next
        return passed
