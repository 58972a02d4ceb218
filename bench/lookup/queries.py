"""The queries of a benchmark: the file that wrk reads, and the correct results.

Each line of the file is one request: ``1`` if the fingerprint is in the catalogue, else ``0``, then
the body to POST. Line n is the same in every run with the same catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from bench.catalogue.content import BenchCatalogue, CatalogueQuery
from bench.stack.launch import KEY
from pipeline.fingerprint.codec import encode

KNOWN_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class BenchLookup:
    """One request and its correct result.

    Attributes:
        body: the form-encoded body.
        track: the track of the correct first result; None if the correct result is empty.
        least_score: the minimum score of that track.
    """

    body: str
    track: UUID | None
    least_score: float = 0.0


@dataclass(frozen=True)
class QuerySource:
    """Creates queries by number.

    Attributes:
        catalogue: the catalogue of the stack.
        meta: the parameter of each lookup; empty for results without metadata.
        distinct: the number of different queries; None for no repetition.
    """

    catalogue: BenchCatalogue
    meta: str = ""
    distinct: int | None = None

    def request(self, number: int) -> BenchLookup:
        """Return a query as a request."""
        return self._to_request(self.query(number))

    def real(self) -> Iterator[BenchLookup]:
        """Yield a request for each real recording, after lossy compression."""
        for number in range(self.catalogue.real):
            yield self._to_request(
                self.catalogue.known(number, self.catalogue.random("real", number))
            )

    def _to_request(self, query: CatalogueQuery) -> BenchLookup:
        form = {
            "client": KEY,
            "duration": query.duration,
            "fingerprint": encode(query.words),
            **({"meta": self.meta} if self.meta else {}),
        }
        return BenchLookup(urlencode(form), query.track, query.least_score)

    def query(self, number: int) -> CatalogueQuery:
        """Return the fingerprint of a query and its correct result."""
        if self.distinct:
            number %= self.distinct
        random = self.catalogue.random("queries", number)
        if random.random() < KNOWN_SHARE:
            wanted = int(random.integers(0, self.catalogue.fingerprints))
            return self.catalogue.known(wanted, random)
        return self.catalogue.unknown(number)


class QueryFile:
    """A file of queries. Each window reads the next ones.

    Args:
        source: the source of the queries.
        path: the path of the file, which is overwritten.
    """

    def __init__(self, source: QuerySource, path: Path) -> None:
        self.path = path
        self._source = source
        self._written = 0
        self._offsets = [0]
        self._next = 0
        path.write_bytes(b"")

    def provide(self, count: int) -> tuple[int, int]:
        """Write the next `count` queries. Return their start and end in the file, in bytes.

        The next call returns the same queries, unless `used` has marked them.
        """
        with self.path.open("ab") as opened:
            while self._written < self._next + count:
                request = self._source.request(self._written)
                line = f"{0 if request.track is None else 1}{request.body}\n".encode()
                self._offsets.append(self._offsets[-1] + opened.write(line))
                self._written += 1
        return self._offsets[self._next], self._offsets[self._next + count]

    def used(self, count: int) -> None:
        """Mark the next `count` queries as sent."""
        self._next = min(self._next + count, self._written)

    def rewind(self) -> None:
        """Start again with the first query of the file."""
        self._next = 0

    def sample(self, count: int) -> list[BenchLookup]:
        """Return the next `count` queries with their results, and mark them as sent."""
        self.provide(count)
        first = self._next
        self.used(count)
        return [self._source.request(number) for number in range(first, first + count)]
