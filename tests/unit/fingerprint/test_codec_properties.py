"""The codec on inputs that nobody thought of: against the plain reference, and batched."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.fingerprint import codec
from pipeline.fingerprint.codec import Fingerprint, InvalidFingerprint, Reason
from pipeline.fingerprint.words import as_words
from tests.unit.fingerprint import reference
from tests.unit.fingerprint.samples import real_data

words_lists = st.lists(
    st.one_of(
        st.integers(0, 2**32 - 1),
        st.sampled_from([0, 1, 2**31, 2**32 - 1, 627964279]),
        st.integers(0, 31).map(lambda bit: 1 << bit),
    ),
    max_size=40,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a fingerprint with a few bytes changed, and perhaps cut."""
    data = bytearray(reference.encode(draw(words_lists), 1))
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        data[place] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])


@st.composite
def random_codes(draw: st.DrawFn) -> bytes:
    """Return a header with a small count, and bytes that are biased towards 0 and 7."""
    count = draw(st.integers(0, 12))
    body = draw(st.lists(st.sampled_from([0x00, 0xFF, 0x38, 0xC7, 0x49, 0x92, 0x24]), max_size=40))
    return b"\1" + count.to_bytes(3, "big") + bytes(body) + draw(st.binary(max_size=20))


anything = st.one_of(st.binary(max_size=60), damaged(), random_codes())


def outcome(data: bytes) -> list[int] | None:
    """Return the decoded words, None for a refusal."""
    try:
        return codec.decompress(data).words.tolist()
    except InvalidFingerprint:
        return None


@given(words_lists, st.integers(-128, 127))
def test_decoding_undoes_encoding(words: list[int], version: int):
    """In bytes and in text, for any words and version."""
    for decoded in (
        codec.decompress(codec.compress(as_words(words), version)),
        codec.decode(codec.encode(as_words(words), version)),
    ):
        assert decoded.version == version
        assert decoded.words.tolist() == words


@given(words_lists)
def test_encoding_agrees_with_the_reference(words: list[int]):
    """To the bit."""
    assert codec.compress(as_words(words)) == reference.encode(words, 1)


@given(anything)
@example(bytes.fromhex("0100000107 1a"))
@example(bytes.fromhex("01000002 ffffff ffffffffff"))
def test_decoding_agrees_with_the_reference(data: bytes):
    """On words as on refusals."""
    assert outcome(data) == reference.decode(data)


@given(st.lists(anything, max_size=12))
def test_a_batch_gives_what_single_calls_give(items: list[bytes]):
    """Bad items among good ones change nothing for these."""
    for item, result in zip(items, codec.decompress_batch(items), strict=True):
        if isinstance(result, InvalidFingerprint):
            with pytest.raises(InvalidFingerprint) as caught:
                codec.decompress(item)
            assert (caught.value.reason, str(caught.value)) == (result.reason, str(result))
        else:
            assert result.words.tolist() == reference.decode(item)


@given(st.text(max_size=80))
def test_text_is_decoded_or_refused(text: str):
    """Nothing else is raised, and each error has a reason."""
    try:
        result: Fingerprint | InvalidFingerprint = codec.decode(text)
    except InvalidFingerprint as error:
        result = error
    if isinstance(result, InvalidFingerprint):
        assert result.reason in Reason
        assert str(result)
    else:
        assert reference.decode(codec.unpack_text(text)) == result.words.tolist()


def test_a_large_batch_of_real_fingerprints():
    """More than is decoded at a time, with bad ones here and there, as memoryviews."""
    data = real_data()
    items = [memoryview(codec.unpack_text(text)) for text in data.texts]
    for bad in (0, 17, 18, 400, len(items) - 1):
        items[bad] = items[bad][:-40]
    for index, result in enumerate(codec.decompress_batch(items)):
        if index in (0, 17, 18, 400, len(items) - 1):
            assert isinstance(result, InvalidFingerprint)
        else:
            assert isinstance(result, Fingerprint)
            assert np.array_equal(result.words, data.words[index])


def test_an_empty_batch():
    """Nothing in, nothing out."""
    assert codec.decompress_batch([]) == []


MEGABYTE = 2**20
HOSTILE = [
    pytest.param(b"\1\xff\xff\xff", id="count-alone"),
    pytest.param(b"\1\xff\xff\xff" + bytes(MEGABYTE), id="count-over-zeros"),
    pytest.param(b"\1\0\0\1" + b"\xff" * MEGABYTE, id="all-sevens"),
    pytest.param(b"\1\0\0\1" + b"\x49\x92\x24" * (MEGABYTE // 3), id="all-ones"),
    pytest.param(b"\1\0\x10\0" + b"\x3f" * MEGABYTE, id="sevens-and-zeros"),
    pytest.param(
        b"\1\x10\0\0" + np.random.default_rng(1).bytes(MEGABYTE), id="a-megabyte-of-noise"
    ),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_hostile_input_is_refused_within_bounds(data: bytes):
    """Memory stays in proportion to the input, whatever the header's count."""
    tracemalloc.start()
    try:
        with pytest.raises(InvalidFingerprint):
            codec.decompress(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(data) + 100_000


def test_a_refusal_in_a_batch_keeps_no_arrays_alive():
    """The error is handed out without the frames that it was raised in."""
    (error,) = codec.decompress_batch([b"\1\0\0\1" + b"\xff" * 100])
    assert isinstance(error, InvalidFingerprint)
    assert error.__traceback__ is None
