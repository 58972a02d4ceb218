"""Excerpts of real recordings are found at their places, each track once, within a time limit."""

from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.excerpts.alignment import WORD_SECONDS
from pipeline.fingerprint.codec import compress
from pipeline.index import SearchTimeout, open_reader
from pipeline.lookups.describe import describe_lookups
from pipeline.lookups.excerpts import search
from pipeline.lookups.excerpts.score import score_excerpts
from pipeline.lookups.excerpts.validate import validate_excerpts
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.lookups.trusted_sketch import UsableSketch
from pipeline.messages import Lookup
from pipeline.thresholds import LOOKUP_MAX_RESULTS
from tests.integration.lookups.excerpts.conftest import Catalogue, batch_of
from tests.support.catalogue.limited_reader import LimitedReader
from tests.support.catalogue.sketches import (
    RATE,
    excerpt,
    fill_sketch,
    place,
    recording,
    with_intro,
)
from tests.support.catalogue.synthetic import Words, fingerprint

PLACES = (3.0, 41.2, 60.0, 90.0)


def asked(words: Words) -> Lookup:
    return Lookup(0, fingerprint=compress(words), excerpt=True)


def no_sketch() -> UsableSketch:
    raise AssertionError("the sketch index is not needed")


def test_each_excerpt_of_a_batch_is_found_at_its_place(catalogue: Catalogue) -> None:
    found = catalogue.find(
        *(asked(excerpt(number, seconds)) for number, seconds in enumerate(PLACES))
    )
    assert [hits[0].gid for hits in found] == catalogue.gids
    for [hit, *_], seconds in zip(found, PLACES, strict=True):
        assert hit.match is not None
        assert hit.match.offset == pytest.approx(place(seconds), abs=0.05)
        assert hit.match.duration == pytest.approx(15.0, abs=1.0)
        assert 0.9 < hit.match.matched <= 1.0
        assert 0.0 < hit.score <= 1.0
        for value, digits in (
            (hit.match.offset, 2),
            (hit.match.duration, 2),
            (hit.match.matched, 3),
        ):
            assert value == round(value, digits)


def test_an_excerpt_that_begins_before_the_recording_has_a_negative_offset(
    catalogue: Catalogue,
) -> None:
    [[hit, *_]] = catalogue.find(asked(with_intro(recording(1)[:200], 5.0)))
    assert (hit.gid, hit.match is None) == (catalogue.gids[1], False)
    assert hit.match
    assert hit.match.offset == pytest.approx(-5.0, abs=0.1)


def test_other_music_is_not_found(catalogue: Catalogue) -> None:
    assert catalogue.find(asked(excerpt(9, 30.0)), asked(fingerprint(7)[:200])) == [[], []]


def test_a_track_is_in_an_answer_once_with_its_best_match(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    """The second fingerprint of the track begins ten seconds later and has all of the excerpt."""
    importer = catalogue.importer
    cut, whole = recording(5)[: round(70 / WORD_SECONDS)], recording(5)[round(10 / WORD_SECONDS) :]
    one, other = importer.run(importer.receipt(cut), importer.receipt(whole))
    with importer.databases.engine("fingerprint").begin() as connection:
        ids = {row.gid: row.id for row in importer.rows(tables.track)}
        connection.execute(
            sa.update(tables.fingerprint)
            .where(tables.fingerprint.c.track_id == ids[other.track_gid])
            .values(track_id=ids[one.track_gid])
        )
    fill_sketch(importer.databases, tmp_path / "sketch")
    [[hit, *others]] = catalogue.find(asked(excerpt(5, 60.0, 20.0)))
    assert hit.gid == str(one.track_gid)
    assert hit.match
    assert hit.match.offset == pytest.approx(50.0, abs=0.3)
    assert hit.match.duration == pytest.approx(20.0, abs=1.0)
    assert str(one.track_gid) not in {each.gid for each in others}


def test_the_recording_with_the_most_agreeing_music_is_first(catalogue: Catalogue) -> None:
    """A long intro agrees perfectly with its recording, the recording after it nearly so."""
    mixed = np.concatenate([recording(0)[:202], excerpt(1, 0.0, 60.0)])
    [hits] = catalogue.find(asked(mixed))
    assert [hit.gid for hit in hits[:2]] == [catalogue.gids[1], catalogue.gids[0]]
    [first, second] = [hit.match for hit in hits[:2]]
    assert first is not None
    assert second is not None
    assert first.matched < second.matched
    assert first.duration > second.duration


def test_the_other_candidates_follow_if_the_first_do_not_match(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    [expected] = catalogue.find(asked(excerpt(2, 41.2)))
    monkeypatch.setattr(search, "FIRST_CANDIDATES", 0)
    assert catalogue.find(asked(excerpt(2, 41.2))) == [expected]
    assert expected[0].gid == catalogue.gids[2]


def test_a_deleted_fingerprint_that_the_sketch_index_still_has_is_no_hit(
    catalogue: Catalogue,
) -> None:
    with catalogue.importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint))
    assert catalogue.find(asked(excerpt(0, 20.0))) == [[]]


def test_track_ids_are_resolved_without_the_sketch_index(catalogue: Catalogue) -> None:
    known, unknown = (
        Lookup(0, track_gid=gid) for gid in (catalogue.gids[0].upper(), str(UUID(int=7)))
    )
    [[hit], nothing] = catalogue.find(known, unknown, sketch=no_sketch)
    assert (hit.gid, hit.score, hit.match, nothing) == (catalogue.gids[0].upper(), 1.0, None, [])


def test_an_answer_has_the_match_after_the_score(catalogue: Catalogue) -> None:
    batch = validate_excerpts(batch_of(asked(excerpt(2, 41.2))))
    databases = catalogue.importer.databases
    scored = score_excerpts(batch, catalogue.sketch.current, databases, timeout=30.0)
    [answer] = describe_lookups(scored, databases).reply.answers
    assert set(answer) == {"results"}
    [first, *_] = answer["results"]
    assert list(first) == ["id", "score", "match"]
    assert list(first["match"]) == ["offset", "duration", "matched"]
    assert first["match"]["offset"] == pytest.approx(41.2, abs=0.1)
    assert {type(value) for value in first["match"].values()} == {float}


def slow_sketch(
    catalogue: Catalogue, folder: Path, searches: list[dict[str, Any]], seconds: float = 0.0
) -> UsableSketch:
    reader = LimitedReader(folder / "sketch" / f"rate-{RATE}", searches, seconds=seconds)
    return UsableSketch(TrustedIndex(lambda: reader, catalogue.importer.databases), RATE)


def test_a_batch_needs_one_search_and_one_alignment(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aligned: list[int] = []
    searches: list[dict[str, Any]] = []

    def align(queries: Any, documents: Any, pairs: tuple[Any, Any]) -> Any:
        aligned.append(len(pairs[0]))
        return real(queries, documents, pairs)

    real = search.align_batch
    monkeypatch.setattr(search, "align_batch", align)
    sketch = slow_sketch(catalogue, tmp_path, searches)
    lookups = [asked(excerpt(number, seconds)) for number, seconds in enumerate(PLACES)]
    whole = catalogue.find(*lookups, sketch=lambda: sketch)
    assert (len(searches), len(aligned)) == (1, 1)
    # Very many words are aligned in groups, between which the deadline is checked.
    monkeypatch.setattr(search, "WORDS_AT_ONCE", 1_000)
    lookups = [asked(excerpt(number, seconds)) for number, seconds in enumerate(PLACES)]
    assert catalogue.find(*lookups, sketch=lambda: sketch) == whole
    assert len(aligned) > 2
    assert sum(aligned[1:]) == aligned[0]


@pytest.mark.parametrize(("seconds", "timeout"), [(0.0, 1e-9), (0.2, 0.2)])
def test_search_and_alignment_end_at_the_deadline(
    catalogue: Catalogue, tmp_path: Path, seconds: float, timeout: float
) -> None:
    batch = validate_excerpts(batch_of(asked(excerpt(0, 20.0))))
    sketch = slow_sketch(catalogue, tmp_path, [], seconds)
    with pytest.raises(SearchTimeout):
        score_excerpts(batch, lambda: sketch, catalogue.importer.databases, timeout=timeout)
    assert batch.lookups[0].hits == []


def test_at_most_the_permitted_number_of_tracks_is_returned(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    """Tracks with the same audio, the lowest fingerprint id first."""
    importer = catalogue.importer
    words = recording(6)
    importer.run(*(importer.receipt(words, 100 + 8 * each) for each in range(12)))
    fill_sketch(importer.databases, tmp_path / "sketch")
    [hits] = catalogue.find(asked(excerpt(6, 20.0)))
    assert len({hit.gid for hit in hits}) == len(hits) == LOOKUP_MAX_RESULTS
    chances = np.array([hit.score for hit in hits])
    assert (np.diff(chances) <= 0).all()
    with open_reader(tmp_path / "sketch" / f"rate-{RATE}") as index:
        assert index.stats().documents > LOOKUP_MAX_RESULTS
