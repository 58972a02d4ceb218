"""The queries of a run: a file that the load drivers read, and what each answer has to be.

A line of the file is one request: ``1`` for a query that is in the catalogue or ``0`` for one that
is not, then the body to POST. Line n is the same in every run on the same catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from bench.catalogue.catalogue import Catalogue, Query
from bench.stack.stack import KEY
from pipeline.fingerprint.codec import encode

KNOWN_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and its right answer.

    Attributes:
        body: form-encoded.
        track: which track must be found first, None where none may be found.
        least_score: that it must have.
    """

    body: str
    track: UUID | None
    least_score: float = 0.0


@dataclass(frozen=True)
class QuerySource:
    """Makes queries without end.

    Attributes:
        meta: the words of the parameter, empty for results without metadata.
        distinct: how many different ones there are, None for no repetition.
    """

    catalogue: Catalogue
    meta: str = ""
    distinct: int | None = None

    def ask(self, number: int) -> Asked:
        """Return a query."""
        return self._asked(self.query(number))

    def real(self) -> Iterator[Asked]:
        """Yield a query for each real recording, as a bad conversion made it."""
        for number in range(self.catalogue.real):
            yield self._asked(self.catalogue.known(number, self.catalogue.random("real", number)))

    def _asked(self, query: Query) -> Asked:
        form = {
            "client": KEY,
            "duration": query.duration,
            "fingerprint": encode(query.words),
            **({"meta": self.meta} if self.meta else {}),
        }
        return Asked(urlencode(form), query.track, query.least_score)

    def query(self, number: int) -> Query:
        """Return what a query asks."""
        if self.distinct:
            number %= self.distinct
        random = self.catalogue.random("queries", number)
        if random.random() < KNOWN_SHARE:
            wanted = int(random.integers(0, self.catalogue.fingerprints))
            return self.catalogue.known(wanted, random)
        return self.catalogue.unknown(number)


class QueryFile:
    """The queries on disk, of which each window reads the next ones.

    Args:
        source: what to write.
        path: where; written anew.
    """

    def __init__(self, source: QuerySource, path: Path) -> None:
        self.path = path
        self._source = source
        self._written = 0
        self._offsets = [0]
        self._next = 0
        path.write_bytes(b"")

    def provide(self, count: int) -> tuple[int, int]:
        """Return the place of the next `count` queries: where they begin and end, in bytes.

        Queries that `used` has not marked are provided again.
        """
        with self.path.open("ab") as opened:
            while self._written < self._next + count:
                asked = self._source.ask(self._written)
                line = f"{0 if asked.track is None else 1}{asked.body}\n".encode()
                self._offsets.append(self._offsets[-1] + opened.write(line))
                self._written += 1
        return self._offsets[self._next], self._offsets[self._next + count]

    def used(self, count: int) -> None:
        """Mark the next `count` queries as asked."""
        self._next = min(self._next + count, self._written)

    def rewind(self) -> None:
        """Begin again: the next queries are the first ones of the file."""
        self._next = 0

    def sample(self, count: int) -> list[Asked]:
        """Return the next `count` queries with their answers, and mark them as asked."""
        self.provide(count)
        first = self._next
        self.used(count)
        return [self._source.ask(number) for number in range(first, first + count)]
