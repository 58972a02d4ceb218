"""A catalogue with one track of three fingerprints and all kinds of links."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pipeline.catalog.edits.edit_log import Author
from pipeline.catalog.fingerprint import tables as fp
from pipeline.runtime.databases import Databases
from tests.support.catalogue.dumps import dump_catalogue
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy

OTHER = UUID("5d1f0c5e-3333-4aaa-8aaa-000000000001")
PUID = UUID("5d1f0c5e-3333-4aaa-8aaa-000000000002")
AUTHOR = Author(7, "a wrong link")
TEXT = {"track": "Harbour", "artist": "Pier"}


@dataclass
class Catalogue:
    """The track, its fingerprints 1, 2 and 3, and the importer that made them.

    Fingerprints 1 and 3 confirm `MBID`, fingerprints 2 and 3 confirm `OTHER`. Only fingerprint 2
    has a PUID, only fingerprint 1 a text, and each has a foreign id.
    """

    importer: Importer
    gid: UUID

    @property
    def databases(self) -> Databases:
        """The databases of the catalogue."""
        return self.importer.databases

    def dump(self) -> Any:
        """Return all rows without logs and times."""
        return dump_catalogue(self.databases)

    def links(self, track_id: int | None = None) -> dict[UUID, tuple[int, bool]]:
        """Return submission count and state of the links of a track by MBID."""
        wanted = self.track_id() if track_id is None else track_id
        return {
            row.mbid: (row.submission_count, row.disabled)
            for row in self.importer.rows(fp.track_mbid)
            if row.track_id == wanted
        }

    def track_id(self, gid: UUID | None = None) -> int:
        """Return the id of a track."""
        [found] = [r.id for r in self.importer.rows(fp.track) if r.gid == (gid or self.gid)]
        return int(found)

    def submit(self, seed: int, *, words: Any = None, **fields: Any) -> UUID:
        """Import a near copy of the recording; return its track's gid."""
        words = near_copy(fingerprint(1), seed, 0.05) if words is None else words
        receipt = self.importer.receipt(words, **fields)
        [status] = self.importer.run(receipt, index=False)  # imports read the changelog as well
        assert status.track_gid is not None
        return status.track_gid


@pytest.fixture
def catalogue(databases: Databases, index_path: Path) -> Catalogue:
    importer = Importer(databases, index_path)
    made = Catalogue(importer, UUID(int=0))
    made.gid = made.submit(1, meta=TEXT, foreignid="shop:1")
    assert made.submit(2, mbid=OTHER, puid=PUID, foreignid="shop:2") == made.gid
    third = near_copy(fingerprint(1), 3, 0.05)
    assert made.submit(3, words=third, mbid=MBID, foreignid="shop:1") == made.gid
    assert made.submit(3, words=third, mbid=OTHER, foreignid="shop:3") == made.gid
    assert [row.id for row in importer.rows(fp.fingerprint)] == [1, 2, 3]
    return made
