"""Candidates of excerpts and of rough copies, from a sketch index of real fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.excerpts.candidates import MAX_CANDIDATES, find_candidates
from pipeline.fingerprint.sketch import sketch_terms_batch
from pipeline.fingerprint.words import SILENCE, as_words
from pipeline.index import IndexReader, Insert, SearchTimeout, open_reader, open_writer
from tests.unit.fingerprint.samples import real_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.fingerprint.words import Words

RATE = 4
RECORDINGS = 60


@pytest.fixture(scope="module")
def recordings() -> list[Words]:
    """Long fingerprints of different recordings."""
    chosen: list[Words] = []
    for words in real_data().words:
        if words.size > 800 and not any(np.isin(words[:400], other).any() for other in chosen):
            chosen.append(words)
    assert len(chosen) >= RECORDINGS
    return chosen[:RECORDINGS]


@pytest.fixture(scope="module")
def reader(
    recordings: list[Words], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IndexReader]:
    """An index of the recordings, with ids from 1 on."""
    path = tmp_path_factory.mktemp("sketch") / "index"
    with open_writer(path) as writer:
        terms = sketch_terms_batch(recordings, RATE)
        writer.apply([Insert(number, row) for number, row in enumerate(terms, 1)], 1)
    with open_reader(path) as opened:
        yield opened


def rough(words: Words, share: float, seed: int) -> Words:
    """Return words with a share of their bits inverted."""
    flips = np.random.default_rng(seed).random((words.size, 32)) < share
    return words ^ np.packbits(flips, axis=1).view(np.uint32).ravel()


def test_an_excerpt_finds_its_recording_first(reader: IndexReader, recordings: list[Words]) -> None:
    """Of ten seconds, from different places of each recording."""
    excerpts = [words[9 * place : 9 * place + 81] for place, words in enumerate(recordings)]
    found = find_candidates(reader, excerpts, RATE, timeout=None)
    assert [each[0] for each in found] == [*range(1, RECORDINGS + 1)]
    assert all(each.dtype == np.uint32 and each.size <= MAX_CANDIDATES for each in found)


def test_a_rough_copy_finds_its_recording(reader: IndexReader, recordings: list[Words]) -> None:
    """With an eighth of the bits inverted; few words are left without an error."""
    copies = [rough(words, 0.125, seed) for seed, words in enumerate(recordings)]
    found = find_candidates(reader, copies, RATE, timeout=None)
    right = [number in each for number, each in enumerate(found, 1)]
    assert np.mean(right) >= 0.95


def test_words_of_no_recording_find_nothing(reader: IndexReader, recordings: list[Words]) -> None:
    """Words of no recording share few terms with any; beside music they do not matter."""
    noise = np.random.default_rng(3).integers(0, 2**32, (20, 80), np.uint32)
    found = find_candidates(reader, list(noise), RATE, timeout=None)
    assert np.mean([each.size for each in found]) < 3
    mixed = np.concatenate([noise[0], recordings[4][100:180]])
    assert find_candidates(reader, [mixed], RATE, timeout=None)[0][0] == 5


def test_the_best_candidate_comes_first(reader: IndexReader, recordings: list[Words]) -> None:
    """Half a minute of one recording and ten seconds of another."""
    mixed = np.concatenate([recordings[1][100:340], recordings[0][200:280]])
    [found] = find_candidates(reader, [mixed], RATE, timeout=None)
    assert found[:2].tolist() == [2, 1]


def test_queries_without_terms_have_no_candidates(
    reader: IndexReader, recordings: list[Words]
) -> None:
    """And do not affect the others."""
    queries = [as_words([]), as_words([SILENCE] * 80), recordings[2][:80]]
    found = find_candidates(reader, queries, RATE, timeout=None)
    assert [each.tolist()[:1] for each in found] == [[], [], [3]]
    assert find_candidates(reader, [], RATE, timeout=None) == []


def test_a_search_ends_at_its_timeout(reader: IndexReader, recordings: list[Words]) -> None:
    with pytest.raises(SearchTimeout):
        find_candidates(reader, recordings, RATE, timeout=1e-9)


def test_a_rate_out_of_range_is_refused(reader: IndexReader) -> None:
    with pytest.raises(ValueError, match="sketch rate"):
        find_candidates(reader, [as_words([1])], 0, timeout=None)
