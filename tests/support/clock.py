"""A clock for tests."""


class Clock:
    """Returns `now`, in seconds, which the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now
