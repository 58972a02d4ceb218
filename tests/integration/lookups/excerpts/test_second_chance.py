"""Second chances: lookups that found nothing are searched in the sketch index."""

import numpy as np
import pytest
from sqlalchemy.exc import OperationalError

from pipeline.fingerprint.codec import compress
from pipeline.index import SearchTimeout
from pipeline.lookups.condition import Condition
from pipeline.lookups.describe import describe_lookups
from pipeline.lookups.trusted_sketch import SketchUnusable, UsableSketch
from pipeline.messages import Lookup, LookupBatch
from tests.integration.lookups.excerpts.conftest import Catalogue
from tests.support.catalogue.sketches import recording, with_intro
from tests.support.catalogue.synthetic import Words

INTRO = 20.0  # seconds


def asked(words: Words, *, second_chance: bool = True) -> Lookup:
    return Lookup(0, 200, fingerprint=compress(words), second_chance=second_chance)


def not_wanted() -> UsableSketch:
    raise AssertionError("the sketch index is not needed")


def unusable() -> UsableSketch:
    raise SketchUnusable(Condition.FILLING)


def too_slow() -> UsableSketch:
    raise SearchTimeout


def without_database() -> UsableSketch:
    raise OperationalError("SELECT", None, Exception("the server closed the connection"))


def test_a_recording_with_a_long_intro_is_found_with_its_place(catalogue: Catalogue) -> None:
    words = with_intro(recording(1), INTRO)
    without, found = catalogue.find_whole(asked(words, second_chance=False), asked(words))
    assert without.hits == []
    [hit, *_] = found.hits
    assert hit.gid == catalogue.gids[1]
    assert hit.match
    assert hit.match.offset == pytest.approx(-INTRO, abs=0.1)
    assert (without.partial, found.partial) == (False, False)


def test_a_lookup_with_hits_or_without_the_flag_does_not_search_the_sketch_index(
    catalogue: Catalogue,
) -> None:
    other = with_intro(recording(0), INTRO)
    lookups = [asked(recording(0)), asked(other, second_chance=False)]
    found, nothing = catalogue.find_whole(*lookups, sketch=not_wanted)
    [hit] = found.hits
    assert (hit.gid, hit.score, hit.match) == (catalogue.gids[0], 1.0, None)
    assert (nothing.hits, nothing.partial) == ([], False)


@pytest.mark.parametrize("sketch", [unusable, too_slow, without_database])
def test_without_the_sketch_index_the_answer_is_partial(catalogue: Catalogue, sketch) -> None:
    words = with_intro(recording(1), INTRO)
    lookups = catalogue.find_whole(asked(recording(0)), asked(words), sketch=sketch)
    assert [lookup.partial for lookup in lookups] == [False, True]
    batch = LookupBatch("id", "reply", 0.0, [""], lookups)
    found, nothing = describe_lookups(batch, catalogue.importer.databases).reply.answers
    assert [each["id"] for each in found["results"]] == catalogue.gids[:1]
    assert nothing == {"results": [], "partial": True}


def test_without_time_the_answer_is_partial(catalogue: Catalogue) -> None:
    [lookup] = catalogue.find_whole(asked(with_intro(recording(1), INTRO)), timeout=-0.1)
    assert (lookup.hits, lookup.partial) == ([], True)


def test_a_fingerprint_without_content_gets_no_second_chance(catalogue: Catalogue) -> None:
    few = np.resize(recording(0)[:5], 900)
    [lookup] = catalogue.find_whole(asked(few), sketch=not_wanted)
    assert (lookup.hits, lookup.error, lookup.partial) == ([], "", False)
