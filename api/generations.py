"""The generation of the catalogue as a request sees it: as it was after the request came."""

from collections.abc import Callable, Mapping

from api.redis_watch import RedisWatch
from tasks import generation


class Generations:
    """Tells the generation for many threads.

    Args:
        read: returns the fields of Redis's hash as they were after the call.
        watch: notices outages.
    """

    def __init__(self, read: Callable[[], Mapping[bytes, bytes]], watch: RedisWatch) -> None:
        self._read = read
        self._watch = watch

    def current(self) -> bytes | None:
        """Return the generation as it was after the call; None if it changes, or without Redis."""
        fields = self._watch.ask(self._read, None)
        return None if fields is None else generation.state(fields)
