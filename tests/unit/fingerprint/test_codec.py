"""The Chromaprint format: known fingerprints, leniency and refusals."""

import pickle

import numpy as np
import pytest

from pipeline.fingerprint import codec
from pipeline.fingerprint.codec import InvalidFingerprint, Reason
from pipeline.fingerprint.words import as_words
from tests.unit.fingerprint.samples import real_data, song

VECTORS = [
    ([], 1, "01000000", "AQAAAA"),
    ([0], 1, "0100000100", "AQAAAQA"),
    ([1], 1, "0100000101", "AQAAAQE"),
    ([7], 1, "010000014900", "AQAAAUkA"),
    ([0x80000000], 1, "010000010719", "AQAAAQcZ"),
    ([1, 2, 3], 1, "01000003418200", "AQAAA0GCAA"),
    (
        [19, 0x01000040, 0x01000041, 0xFFFFFFFF],
        1,
        "01000004c9904c47a024519224499224899224010b",
        "AQAABMmQTEegJFGSJEmSJImSJAEL",
    ),
    ([627964279] * 3, 1, "01000003499468491245910600", "AQAAA0mUaEkSRZEGAA"),
    (
        [0xDEADBEEF, 0xCAFEBABE],
        2,
        "0200000249a24449a228929228084567a200",
        "AgAAAkmiREmiKJKSKAhFZ6IA",
    ),
]


def refusal(data: bytes) -> InvalidFingerprint:
    """Return why the bytes are refused."""
    with pytest.raises(InvalidFingerprint) as caught:
        codec.decompress(data)
    return caught.value


@pytest.mark.parametrize(("words", "version", "data", "text"), VECTORS)
def test_known_fingerprints_encode_and_decode(words: list[int], version: int, data: str, text: str):
    """To the bit, in bytes and in text."""
    assert codec.compress(as_words(words), version).hex() == data
    assert codec.encode(as_words(words), version) == text
    for decoded in (codec.decode(text), codec.decompress(bytes.fromhex(data))):
        assert decoded.version == version
        assert decoded.words.tolist() == words
        assert decoded.words.dtype == np.uint32


def test_a_long_fingerprint_encodes_and_decodes():
    """948 words, with many codes of every kind."""
    text = codec.encode(song())
    assert len(text) == 3006
    assert text.startswith("AQADtJEZRcmOXOCJ99iPPvCP_yiS4w_u4eCP6riDi8iFX_iP-uCJ8zj-4TlO")
    assert codec.decode(text).words.tolist() == song().tolist()


def test_real_fingerprints_come_back_as_fpcalc_wrote_them():
    """Decoding and encoding again gives the same text."""
    data = real_data()
    assert [codec.encode(words) for words in data.words] == data.texts


def test_real_fingerprints_have_the_known_words():
    """The first words and the number of words that were recorded with them."""
    data = real_data()
    for row in data.queries:
        words = data.words[row["fingerprint"]]
        assert words.size == row["num_words"]
        assert words.view(np.int32)[: len(row["words"])].tolist() == row["words"]


@pytest.mark.parametrize("tail", ["=", "==", "\n", "A", "AAAA", "_", "gibberish"])
def test_what_follows_a_fingerprint_is_ignored(tail: str):
    """Padding, a newline, anything."""
    text = codec.encode(song())
    assert codec.decode(text + tail).words.tolist() == song().tolist()


def test_the_standard_alphabet_means_the_same():
    """`+` and `/` as `-` and `_`, of which this fingerprint has both."""
    text = codec.encode(song())
    assert "-" in text
    assert "_" in text
    standard = text.replace("-", "+").replace("_", "/")
    assert codec.decode(standard).words.tolist() == song().tolist()


def test_a_space_in_front_is_refused():
    """It would shift every bit of the header."""
    with pytest.raises(InvalidFingerprint):
        codec.decode(" " + codec.encode(song()))


@pytest.mark.parametrize("version", [-128, -1, 0, 1, 4, 127])
def test_the_version_is_a_signed_byte(version: int):
    """And not the codec's to judge."""
    data = codec.compress(as_words([5]), version)
    assert data[0] == version & 0xFF
    assert codec.decompress(data).version == version


@pytest.mark.parametrize("version", [-129, 128])
def test_a_version_that_is_no_byte_is_refused(version: int):
    """Rather than written as another one."""
    with pytest.raises(ValueError, match="between -128 and 127"):
        codec.compress(as_words([5]), version)


def test_more_words_than_the_header_can_count_are_refused():
    """Rather than counted from zero again."""
    with pytest.raises(ValueError, match="16777216 words are more"):
        codec.compress(np.zeros(2**24, np.uint32))


@pytest.mark.parametrize("size", [0, 1, 3])
def test_less_than_a_header_is_refused(size: int):
    """With how much there was."""
    error = refusal(bytes(size))
    assert error.reason is Reason.TOO_SHORT
    assert f"{size} bytes" in str(error)


@pytest.mark.parametrize("cut", range(4, 21))
def test_a_truncated_fingerprint_is_refused(cut: int):
    """Wherever it was cut, in the normal or in the exception codes."""
    data = bytes.fromhex(VECTORS[6][2])[:cut]
    assert refusal(data).reason is Reason.TRUNCATED


def test_a_code_of_which_bits_are_missing_is_no_terminator():
    """One byte has two codes; the two bits left over aren't a third."""
    assert refusal(bytes.fromhex("01000001 09")).reason is Reason.TRUNCATED
    assert codec.decompress(bytes.fromhex("01000001 01")).words.tolist() == [1]


def pack(*codes: int, exceptions: tuple[int, ...] = (), count: int = 1) -> bytes:
    """Return a fingerprint of the given codes."""
    areas = b""
    for width, area in ((3, codes), (5, exceptions)):
        number = sum(code << (width * place) for place, code in enumerate(area))
        areas += number.to_bytes((len(area) * width + 7) // 8, "little")
    return b"\1" + count.to_bytes(3, "big") + areas


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(pack(7, 0, exceptions=(26,)), id="one-long-distance"),
        pytest.param(pack(7, 0, exceptions=(31,)), id="the-longest-distance"),
        pytest.param(pack(7, 1, 0, exceptions=(25,)), id="one-more-after-the-32nd"),
        pytest.param(pack(*[1] * 33, 0), id="33-bits"),
        pytest.param(pack(*[7] * 8, 0, exceptions=(25,) * 8), id="256-bits"),
        pytest.param(pack(*[1] * 8 * 64, 0), id="512-bits"),
        pytest.param(pack(0, *[7] * 9, 0, exceptions=(31,) * 9, count=2), id="in-the-second-word"),
        pytest.param(
            pack(*[7, 0] * 4, 6, 6, 6, 6, 6, 6, 0, exceptions=(25,) * 4, count=5), id="6x6"
        ),
    ],
)
def test_a_bit_above_the_32nd_is_refused(data: bytes):
    """Also where the sum, counted in bytes, would come round to a small one."""
    assert refusal(data).reason is Reason.MALFORMED


def test_the_32nd_bit_is_fine():
    """The longest words: bit 32 alone, all bits, and both next to each other."""
    full = [0x80000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0]
    assert codec.decompress(codec.compress(as_words(full))).words.tolist() == full


def test_an_error_survives_pickling():
    """Between processes it keeps its reason and its message."""
    error = refusal(b"")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - what was just dumped
    assert (copy.reason, str(copy)) == (error.reason, str(error))
