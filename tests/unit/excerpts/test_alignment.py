"""Alignment of excerpts: places, speeds, parts and chances, on real music and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.excerpts.alignment import WORD_SECONDS, Alignments, align_batch
from pipeline.excerpts.significance import is_match
from pipeline.fingerprint.words import SILENCE, Words
from tests.unit.excerpts.rough_excerpts import Recording, recordings, shares_by_place

_RECORDINGS = 1_000


def _align(query: Words, document: Words) -> Alignments:
    return align_batch([query], [document], ([0], [0]))


def _variants(kind: str) -> tuple[list[Words], list[Words], list[dict[str, float]]]:
    chosen: list[Recording] = recordings()
    queries = [each.variants[kind][0] for each in chosen]
    return queries, [each.words for each in chosen], [each.variants[kind][1] for each in chosen]


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("excerpt5s", 10),
        ("excerpt15s", 11),
        ("excerpt30s", 11),
        ("excerpt30s_mic", 7),
        ("tempo1.04", 11),
        ("intro25s_music", 11),
        ("edit20s", 11),
    ],
)
def test_finds_the_place_of_real_excerpts(kind: str, least: int) -> None:
    queries, documents, made = _variants(kind)
    rows = np.arange(len(queries))
    found = align_batch(queries, documents, (rows, rows))
    after_cut = 20 if kind == "edit20s" else 0
    true = np.array([each.get("start", 0) - each.get("intro", 0) + after_cut for each in made])
    speeds = np.array([each.get("speed", 1) for each in made])
    matches = is_match(found.log10_chance, _RECORDINGS)
    right = matches & (abs(found.offset - true) < 0.5) & (abs(found.speed - speeds) < 0.02)
    assert right.sum() >= least


def test_matches_no_other_recording() -> None:
    queries, documents, _ = _variants("excerpt15s")
    rows, others = np.nonzero(~np.eye(len(queries), dtype=bool))
    found = align_batch(queries, documents, (rows, others))
    assert not is_match(found.log10_chance, 1).any()
    assert (found.log10_chance > -3.5).all()


def test_finds_the_place_that_agrees_best_by_brute_force() -> None:
    queries, documents, _ = _variants("excerpt15s")
    for query, document in zip(queries, documents, strict=True):
        shares = shares_by_place(query, document)
        found = _align(query, document)
        place = round(float(found.offset[0]) / WORD_SECONDS)
        assert shares[place] >= shares.max() - 0.01


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    which=st.integers(0, 11),
    start=st.integers(0, 900),
    size=st.integers(30, 300),
    before=st.integers(0, 60),
    seed=st.integers(0, 2**32 - 1),
)
def test_places_a_piece_after_unrelated_words(
    which: int, start: int, size: int, before: int, seed: int
) -> None:
    document = recordings()[which].words
    piece = document[start : start + size]
    if np.unique(piece).size < 25:
        return
    noise = np.random.default_rng(seed).integers(0, 2**32, before, np.uint32)
    query = np.concatenate([noise, piece])
    found = _align(query, document)
    place = (found.offset[0] / WORD_SECONDS) + before
    assert found.log10_chance[0] < -5
    same = document[max(round(place), 0) :][: piece.size]
    agreeing = 1 - np.unpackbits((same ^ piece[: same.size]).view(np.uint8)).mean()
    assert abs(place - start) < 0.6 or agreeing > 0.85  # a loop repeats itself


def test_the_longer_of_two_parts_counts_though_the_shorter_agrees_better() -> None:
    document = recordings()[0].words
    noise = np.random.default_rng(5).random((400, 32)) < 0.05
    rough = document[500:900] ^ np.packbits(noise, axis=1, bitorder="little").view("<u4").ravel()
    found = _align(np.concatenate([document[:150], rough]), document)
    assert found.offset[0] == pytest.approx((500 - 150) * WORD_SECONDS, abs=0.06)
    assert found.duration[0] == pytest.approx(400 * WORD_SECONDS, abs=2)


def test_query_longer_than_the_document() -> None:
    document = recordings()[0].words
    piece = document[200:421]
    there, back = _align(piece, document), _align(document, piece)
    assert there.offset[0] == pytest.approx(200 * WORD_SECONDS, abs=0.01)
    assert back.offset[0] == pytest.approx(-200 * WORD_SECONDS, abs=0.01)
    assert there.duration[0] == back.duration[0] == pytest.approx(221 * WORD_SECONDS)
    assert there.matched[0] == back.matched[0] == 1


def test_long_fingerprints_vote_in_pieces() -> None:
    rows = [each.words for each in recordings()]
    long = np.concatenate([*rows, *rows[:4]])
    query = np.concatenate([rows[8], *rows[2:5]])
    found = _align(query, long)
    shift = 2 * rows[0].size - rows[8].size
    assert found.offset[0] == pytest.approx(shift * WORD_SECONDS, abs=0.05)
    assert found.speed[0] == 1


def test_chance_falls_with_length_and_rises_with_noise() -> None:
    document = recordings()[1].words
    chances = [_align(document[300 : 300 + size], document).log10_chance[0] for size in (20, 60)]
    assert chances[1] < chances[0] < 0
    noise = np.random.default_rng(1).random((60, 32)) < 0.2
    flipped = document[300:360] ^ np.packbits(noise, axis=1, bitorder="little").view("<u4").ravel()
    assert chances[1] < _align(flipped, document).log10_chance[0] < 0


@pytest.mark.parametrize("word", [SILENCE, 0, 0x12345678])
def test_silence_and_drones_are_no_matches(word: int) -> None:
    drone = np.full(300, word, np.uint32)
    document = np.concatenate([recordings()[2].words[:300], drone])
    assert not is_match(_align(drone[:221], document).log10_chance, 1)[0]
    assert not is_match(_align(drone, drone).log10_chance, 1)[0]


def test_empty_rows_and_no_pairs() -> None:
    empty, words = np.empty(0, np.uint32), recordings()[0].words
    found = align_batch([empty, words], [words, empty], ([0, 1, 1], [0, 1, 0]))
    assert found.log10_chance[:2].tolist() == [0, 0]
    assert found.duration[:2].tolist() == [0, 0]
    assert found.matched[2] == 1
    assert len(align_batch([words], [words], ([], []))) == 0


def test_order_of_pairs_does_not_matter() -> None:
    queries, documents, _ = _variants("excerpt15s")
    rows = np.repeat(np.arange(4), 3)
    others = np.tile(np.arange(3), 4)
    order = np.random.default_rng(3).permutation(rows.size)
    found = align_batch(queries, documents, (rows, others))
    shuffled = align_batch(queries, documents, (rows[order], others[order]))
    assert np.array_equal(found.log10_chance[order], shuffled.log10_chance)
    assert np.array_equal(found.offset[order], shuffled.offset)


def test_refuses_wrong_pairs() -> None:
    words = recordings()[0].words
    with pytest.raises(ValueError, match="equal length"):
        align_batch([words], [words], ([0, 0], [0]))
    with pytest.raises(IndexError, match="outside a batch of 1"):
        align_batch([words], [words], ([0], [1]))
