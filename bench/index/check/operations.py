"""Random operations on an index server; each answer is compared with the expected one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bench.index.check.expected import changes_body, draw_index

if TYPE_CHECKING:
    from numpy.random import Generator

    from bench.index.check.expected import Changes, ExpectedIndex, Search
    from bench.index.server import IndexServer

NAMES: Final = ("first", "second", "third")
HEAVY: Final = 10_000
"""A search with more postings of current documents than this is counted as heavy."""

_MOST_CHANGES: Final = 60
_MAX_TEXTS: Final = 20
_TEXT: Final = 300  # characters of a difference that the report shows


@dataclass
class CheckCounts:
    """Counts of a run.

    Attributes:
        operations: the number of requests.
        searches: the number of searches that were compared.
        heavy_searches: those of them with more than `HEAVY` postings of current documents.
        kills: the number of kills.
        in_flight: the number of requests in flight at a kill.
        in_flight_applied: those of them that were applied.
        differences: the number of answers that differ from the expected ones.
        texts: the first of these differences.
    """

    operations: int = 0
    searches: int = 0
    heavy_searches: int = 0
    kills: int = 0
    in_flight: int = 0
    in_flight_applied: int = 0
    differences: int = 0
    texts: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return the counts for the report."""
        return asdict(self)

    def compare(self, name: str, found: object, expected: object) -> bool:
        """Count one comparison; return whether both are equal."""
        self.operations += 1
        if found == expected:
            return True
        self.differences += 1
        if len(self.texts) < _MAX_TEXTS:
            self.texts.append(f"{name}: {found!s:.{_TEXT}} instead of {expected!s:.{_TEXT}}")
        return False


class CheckedServer:
    """A server, and the expected state of its indexes.

    Args:
        server: the server, which runs.
        counts: receives the counts.
        documents: the maximum number of documents in the pool of an index.

    Attributes:
        indexes: the expected state of each index that exists.
        generations: the highest generation of each name so far.
    """

    def __init__(self, server: IndexServer, counts: CheckCounts, documents: int) -> None:
        self.server = server
        self.counts = counts
        self.indexes: dict[str, ExpectedIndex] = {}
        self.generations: dict[str, int] = {}
        self.documents = documents

    def step(self, generator: Generator) -> None:
        """Send one random operation."""
        name = NAMES[int(generator.integers(len(NAMES)))]
        index = self.indexes.get(name)
        if index is None:
            self.create(generator, name)
            return
        kind = generator.random()
        if kind < 0.55:
            self.search(name, index.draw_search(generator))
        elif kind < 0.75:
            self.update(generator, name, index.draw_changes(generator, _MOST_CHANGES))
        elif kind < 0.85:
            self.change_one(generator, name)
        elif kind < 0.98:
            self.check_index(name)
            self.check_document(name, index.draw_id(generator))
        else:
            self.delete(name)

    def create(self, generator: Generator, name: str) -> None:
        """Create an index and insert all documents of its pool, or leave it empty."""
        index = draw_index(generator, self.documents)
        reply = self.server.request("PUT", f"/{name}")
        self.counts.compare(f"PUT {name}", (reply.status, reply.fields.get("v")), (200, 0))
        self.add(name, index, reply.fields.get("g", 0))
        if generator.random() < 0.9:
            self.update(generator, name, index.first_changes())

    def add(self, name: str, index: ExpectedIndex, generation: int) -> None:
        """Expect a new index from now on."""
        last = self.generations.get(name, 0)
        self.counts.compare(f"generation of {name}", generation > last, expected=True)
        self.generations[name] = index.generation = generation
        self.indexes[name] = index

    def delete(self, name: str) -> None:
        """Delete an index."""
        reply = self.server.request("DELETE", f"/{name}")
        self.counts.compare(f"DELETE {name}", reply, (200, {"d": True}))
        del self.indexes[name]
        self.check_missing(name)

    def update(self, generator: Generator, name: str, changes: Changes) -> None:
        """Send an update, sometimes with metadata, or with an expected version."""
        index = self.indexes[name]
        metadata = {"mark": str(generator.integers(1000))} if generator.random() < 0.3 else {}
        body: dict[str, object] = {"c": changes_body(changes), "m": metadata}
        version = generator.choice(["any", "right", "wrong"], p=[0.6, 0.3, 0.1])
        if version == "wrong":
            body["e"] = index.version + 1
            reply = self.server.request("POST", f"/{name}/_update", body)
            self.counts.compare(f"update of {name}", reply, (409, {"e": "VersionMismatch"}))
            return
        if version == "right":
            body["e"] = index.version
        reply = self.server.request("POST", f"/{name}/_update", body)
        index.version += 1
        index.content.apply(changes)
        index.metadata.update(metadata)
        self.counts.compare(f"update of {name}", reply, (200, {"v": index.version}))

    def change_one(self, generator: Generator, name: str) -> None:
        """Insert, replace or delete one document by its path."""
        index = self.indexes[name]
        [(document, terms)] = index.draw_changes(generator, 1)
        if terms is None:
            reply = self.server.request("DELETE", f"/{name}/{document}")
        else:
            reply = self.server.request("PUT", f"/{name}/{document}", {"h": terms.tolist()})
        index.version += 1
        index.content.apply([(document, terms)])
        self.counts.compare(f"document {document} of {name}", reply, (200, {}))

    def search(self, name: str, search: Search) -> None:
        """Compare the answer to a search."""
        index = self.indexes[name]
        reply = self.server.request("POST", f"/{name}/_search", search.body())
        found = [(each["i"], each["s"]) for each in reply.fields.get("r", ())]
        self.counts.searches += 1
        self.counts.heavy_searches += index.content.postings(search.query) > HEAVY
        self.counts.compare(
            f"search in {name}, version {index.version}, limit {search.limit}, min_score"
            f" {search.min_score}, score_pct {search.score_pct}, {search.query.size} terms",
            (reply.status, found),
            (200, index.answer(search)),
        )

    def check_index(self, name: str) -> None:
        """Compare version, metadata, size and generation of an index."""
        index = self.indexes[name]
        reply = self.server.request("GET", f"/{name}")
        stats = reply.fields.get("s", {})
        stats.pop("num_segments", None)
        found = (reply.status, reply.fields.get("v"), reply.fields.get("m"), stats)
        expected = (200, index.version, index.metadata, index.stats())
        self.counts.compare(f"GET {name}", found, expected)
        reply = self.server.request("GET", f"/{name}/_status")
        self.counts.compare(f"generation of {name}", reply.fields.get("g"), index.generation)

    def check_document(self, name: str, document: int) -> None:
        """Compare whether a document exists."""
        exists = document in self.indexes[name].content.documents
        reply = self.server.request("GET", f"/{name}/{document}")
        expected = 200 if exists else 404
        self.counts.compare(f"GET {name}/{document}", reply.status, expected)

    def check_missing(self, name: str) -> None:
        """Expect that an index does not exist."""
        reply = self.server.request("GET", f"/{name}")
        self.counts.compare(f"GET {name}", reply, (404, {"e": "IndexNotFound"}))
