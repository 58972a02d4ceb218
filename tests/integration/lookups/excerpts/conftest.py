"""Fixtures: a catalogue of real recordings with a sketch index."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.index import open_reader
from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.excerpts.score import score_excerpts
from pipeline.lookups.excerpts.second_chance import give_second_chances, waiting_lookups
from pipeline.lookups.excerpts.validate import validate_excerpts
from pipeline.lookups.score import score_lookups
from pipeline.lookups.trusted_sketch import TrustedSketch, UsableSketch
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import Lookup, LookupBatch, TrackHit, from_message, to_message
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.sketches import RATE, fill_sketch, recording

RECORDINGS = range(4)
TIMEOUT = 30.0

Sketch = Callable[[], UsableSketch]


@dataclass
class Catalogue:
    """Real recordings, with their index and their sketch index.

    Attributes:
        importer: has imported the recordings.
        sketch: the sketch index.
        gids: the id of each recording's track.
    """

    importer: Importer
    sketch: TrustedSketch
    gids: list[str]

    def find(self, *lookups: Lookup, sketch: Sketch | None = None) -> list[list[TrackHit]]:
        """Return the hits of excerpts, after all stages but the last."""
        batch = dedupe_lookups(validate_excerpts(batch_of(*lookups)))
        scored = score_excerpts(
            batch, sketch or self.sketch.current, self.importer.databases, timeout=TIMEOUT
        )
        arrived = from_message(LookupBatch, to_message(scored))
        assert not any(lookup.words for lookup in arrived.lookups)
        return [lookup.hits for lookup in arrived.lookups]

    def find_whole(
        self, *lookups: Lookup, sketch: Sketch | None = None, timeout: float = TIMEOUT
    ) -> list[Lookup]:
        """Return ordinary lookups after a search of the index and their second chances."""
        batch = dedupe_lookups(validate_lookups(batch_of(*lookups)))
        databases = self.importer.databases
        with open_reader(self.importer.index_path) as index:
            batch = score_lookups(batch, index, databases)
        waiting = waiting_lookups(batch)
        give_second_chances(waiting, sketch or self.sketch.current, databases, timeout=timeout)
        arrived = from_message(LookupBatch, to_message(batch))
        assert not any(lookup.words for lookup in arrived.lookups)
        return arrived.lookups


def batch_of(*lookups: Lookup) -> LookupBatch:
    return LookupBatch("id", "reply", 0.0, [""], list(lookups))


@pytest.fixture
def catalogue(databases: Databases, index_path: Path, tmp_path: Path) -> Catalogue:
    importer = Importer(databases, index_path)
    statuses = importer.run(*(importer.receipt(recording(number)) for number in RECORDINGS))
    fill_sketch(databases, tmp_path / "sketch")
    sketch = TrustedSketch(tmp_path / "sketch", RATE, databases)
    return Catalogue(importer, sketch, [str(each.track_gid) for each in statuses])
