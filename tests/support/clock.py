"""A clock for tests."""


class Clock:
    """Returns `now`, in seconds, which the test sets."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now
