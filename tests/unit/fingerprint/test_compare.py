"""compare2: known scores, real scores, and refused arguments."""

import numpy as np
import pytest

from pipeline.fingerprint.compare import compare2, compare2_batch
from pipeline.fingerprint.words import Words, as_words
from tests.unit.fingerprint import reference
from tests.unit.fingerprint.samples import flip, real_data, song, walk

A = song()
P = np.tile(A[:20], 40)
Q = np.tile(A[:50], 20)
ONE_TO_TEN = as_words(range(1, 11))


@pytest.mark.parametrize(
    ("a", "b", "max_offset", "score"),
    [
        pytest.param(A, A, 80, 1.0, id="same"),
        pytest.param(A, flip(A, 2, 0x3), 80, 0.9375, id="low-bits"),
        pytest.param(A, flip(A, 2, 0xC0000000), 80, 0.9375, id="high-bits"),
        pytest.param(A, flip(A, 1, 0xFF), 80, 0.5, id="a-quarter-of-the-bits"),
        pytest.param(A, flip(A, 1, 0xFFFF), 80, 0.0, id="half-of-the-bits"),
        pytest.param(A, A[30:], 80, 1.0, id="right-starts-later"),
        pytest.param(A[30:], A, 80, 1.0, id="left-starts-later"),
        pytest.param(A, A[100:], 0, 1.0, id="any-offset"),
        pytest.param(A, A[100:], 80, 0.0, id="too-far-off"),
        pytest.param(A, A[80:], 80, 1.0, id="just-within"),
        pytest.param(A, A[81:], 80, 0.0, id="just-too-far-off"),
        pytest.param(A, A[:401], 80, 1.0, id="right-ends-sooner"),
        pytest.param(A, walk(43, 948, 3), 80, 0.0, id="another"),
        pytest.param(P, flip(P, 1, 0xF), 80, 0.2910802960, id="20-words-repeated"),
        pytest.param(Q, flip(Q, 2, 0x3), 80, 0.7639979720, id="50-words-repeated"),
        pytest.param(ONE_TO_TEN, ONE_TO_TEN, 80, 1.0, id="one-key"),
        pytest.param(as_words([5]), as_words([5]), 80, 0.0, id="one-word"),
        pytest.param(as_words([]), A, 80, 0.0, id="nothing"),
        pytest.param(as_words([-1] * 100), as_words([-1] * 100), 80, 0.0, id="the-top-key"),
        pytest.param(as_words([0] * 100), as_words([0] * 100), 80, 1.0, id="zeros"),
    ],
)
def test_known_scores(a: Words, b: Words, max_offset: int, score: float):
    """To the ten digits that are known."""
    assert compare2(a, b, max_offset) == pytest.approx(score, abs=1e-9)


def test_real_scores_are_those_of_the_extension():
    """Of all pairs, to the last bit of single precision."""
    data = real_data()
    numbers = range(len(data.pairs))
    scores = compare2_batch(
        [data.words[pair["a"]] for pair in data.pairs],
        [data.words[pair["b"]] for pair in data.pairs],
        (numbers, numbers),
    )
    assert {pair["max_offset"] for pair in data.pairs} == {80}
    expected = np.array([pair["compare2"] for pair in data.pairs], np.float32)
    assert scores.tolist() == expected.tolist()


def top_key_case(shadow_at: int, top_in_a: int | None) -> tuple[Words, Words]:
    """Return two repetitive fingerprints with `TOP_KEY` and its shadow, key 8191, in places.

    The right one has fewer keys, 20 and `TOP_KEY` over 400 words, so these decide the score.
    """
    a, b = np.tile(A[:20], 20), np.tile(A[:20], 20)
    a[50:60] = A[100:110]
    a[shadow_at] = 8191 << 18
    b[200] = 0xFFFFFFFF
    b[::3] ^= np.uint32(1)
    if top_in_a is not None:
        a[top_in_a] = 0xFFFFFFFF
    return a, b


@pytest.mark.parametrize("shadow_at", [100, 255, 256, 300])
@pytest.mark.parametrize("top_in_a", [None, 0, 350])
def test_the_top_key_is_counted_as_the_extension_does(shadow_at: int, top_in_a: int | None):
    """Not at all where key 8191 comes late, and once for both sides."""
    a, b = top_key_case(shadow_at, top_in_a)
    for left, right in ((a, b), (b, a), (a, b[1:]), (a[1:], b)):
        expected = reference.compare2(left.tolist(), right.tolist(), 80)
        assert expected > 0
        assert compare2(left, right) == expected


@pytest.mark.parametrize("max_offset", [0, 80, 70_000])
def test_positions_wrap_around_at_16_bits(max_offset: int):
    """A fingerprint of over two hours scores as in the extension, sensible or not."""
    a = np.full(66_000, 0xFFFFFFFF, np.uint32)
    a[65_530:65_560] = walk(5, 30, 16)
    b = a[40:].copy()
    b[::2] ^= np.uint32(0xF)
    assert compare2(a, b, max_offset) == reference.compare2(a.tolist(), b.tolist(), max_offset)
    assert compare2(a, b[100:], max_offset) == reference.compare2(
        a.tolist(), b[100:].tolist(), max_offset
    )


def tied(second_key: int) -> tuple[Words, Words]:
    """Return two fingerprints with two votes for offset 0 and two for offset -2."""
    a, b = np.full(12, 0xFFFFFFFF, np.uint32), np.full(12, 0xFFFFFFFF, np.uint32)
    for key, place_a, place_b in [(10, 5, 5), (second_key, 6, 6), (20, 7, 9), (30, 8, 10)]:
        a[place_a] = b[place_b] = np.uint32(key << 18)
    return a, b


def test_ties_go_to_the_offset_that_was_full_first():
    """That is where the highest of its keys is lower, whichever side is which."""
    scores = []
    for second_key in (25, 40):
        a, b = tied(second_key)
        scores.append(reference.compare2(a.tolist(), b.tolist(), 80))
        assert compare2(a, b) == compare2(b, a) == scores[-1]
        assert compare2_batch([a, a], [b], ([0, 1], [0, 0])).tolist() == [scores[-1]] * 2
    assert scores[0] != scores[1]


def test_bad_arguments_are_refused():
    """The message names the problem."""
    with pytest.raises(ValueError, match="max_offset"):
        compare2(A, A, -1)
    with pytest.raises(ValueError, match="two rows of equal length"):
        compare2_batch([A], [A], ([0, 0], [0]))
    with pytest.raises(IndexError, match="outside a batch of 1"):
        compare2_batch([A], [A], ([0], [1]))
    with pytest.raises(IndexError, match="outside a batch of 1"):
        compare2_batch([A], [A], ([-1], [0]))
    with pytest.raises(TypeError, match="use as_words"):
        compare2(A.view(np.int32), A)
