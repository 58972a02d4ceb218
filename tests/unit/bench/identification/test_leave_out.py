"""Halves of recordings, and pieces of them."""

import numpy as np
import pytest

from bench.identification.leave_out import LONGEST, SHORTEST, cut_pieces, split
from bench.identification.pieces import cut, word_count
from bench.identification.recordings import SAME_MUSIC, SHARED_PARTS, Recording, Variant
from pipeline.fingerprint.words import Words


def words(start: int, count: int = 948) -> Words:
    return np.arange(start, start + count, dtype=np.uint32)


def recording(name: str, *variants: Variant, start: int = 0) -> Recording:
    return Recording(name, words(start), 120.0, variants)


def test_each_recording_is_in_one_half_and_the_halves_are_equal() -> None:
    names = {f"r{number}" for number in range(11)}
    first, second = split([recording(name) for name in sorted(names)], seed=1)
    assert {each.id for each in first} | {each.id for each in second} == names
    assert {len(first), len(second)} == {5, 6}


@pytest.mark.parametrize("seed", range(5))
def test_music_in_common_is_in_one_half(seed: int) -> None:
    pairs = (*SAME_MUSIC, *SHARED_PARTS)
    names = [name for pair in pairs for name in pair]
    halves = split([recording(name) for name in [*names, "x", "y"]], seed)
    placed = [{each.id for each in half} for half in halves]
    assert all(len({name in placed[0] for name in pair}) == 1 for pair in pairs)
    assert sum(map(len, halves)) == len(names) + 2


def test_the_number_of_words_is_that_of_real_excerpts() -> None:
    lengths = {5: 19, 10: 59, 15: 100, 20: 140, 30: 221}  # of the bundled variants
    assert {seconds: word_count(seconds) for seconds in lengths} == lengths
    assert word_count(1.0) == 1


def test_a_piece_is_adjacent_words_from_everywhere() -> None:
    random = np.random.default_rng(1)
    starts = set()
    for _ in range(200):
        piece = cut(words(100, 25), 5.0, random)
        assert np.array_equal(np.diff(piece.words), np.ones(18))
        assert piece.is_excerpt
        starts.add(int(piece.words[0]))
    assert starts == set(range(100, 107))


def test_a_piece_of_a_short_fingerprint_is_all_of_it() -> None:
    assert cut(words(0, 10), 30.0, np.random.default_rng(1)).words.size == 10


def test_pieces_come_from_recordings_in_turn_and_from_whole_variants_of_them_only() -> None:
    variants = [
        Variant("mic", words(10_000), 120.0, 0.0),
        Variant("excerpt30s", words(20_000), 30.0, 5.0),
        Variant("intro10s_music", words(30_000), 130.0, -10.0, other="another"),
    ]
    pieces = cut_pieces([recording("a", *variants), recording("b", start=50_000)], 200, (1, 0))
    assert all(word_count(SHORTEST) <= each.words.size <= word_count(LONGEST) for each in pieces)
    sources = [int(each.words[0]) // 10_000 for each in pieces]
    assert set(sources[0::2]) == {0, 1}
    assert set(sources[1::2]) == {5}
