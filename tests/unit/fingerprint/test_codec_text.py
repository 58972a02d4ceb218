"""The lenient Base64 of fingerprints."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint.codec import pack_text, unpack_text
from pipeline.fingerprint.errors import InvalidFingerprint, Reason

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


@given(st.binary())
def test_text_is_url_safe_base64_without_padding(data: bytes):
    """The standard library's encoder agrees, and decoding gives the bytes back."""
    text = pack_text(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert not data or unpack_text(text) == data


@given(st.binary(min_size=1))
def test_the_standard_alphabet_and_padding_are_read_too(data: bytes):
    """Padding may add zero bytes behind, which the codec ignores."""
    unpacked = unpack_text(base64.b64encode(data).decode())
    assert unpacked[: len(data)] == data
    assert not any(unpacked[len(data) :])


@given(st.text(alphabet="AQz09-_+/=\n é", min_size=1).filter(lambda text: not text[0].isspace()))
def test_irregular_texts_are_read_as_chromaprint_reads_them(text: str):
    """Character by character, six bits each."""
    values = {code: at for at, code in enumerate(ALPHABET)} | {"+": 62, "/": 63}
    codes = [values.get(chr(code), 0) for code in text.encode()]
    bits = "".join(f"{code:06b}" for code in codes[: len(codes) - (len(codes) % 4 == 1)])
    expected = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits) // 8 * 8, 8))
    assert unpack_text(text) == expected


@pytest.mark.parametrize("stranger", ["=", "\n", " ", "%", "\0", "\x7f"])
def test_a_stranger_counts_as_zero(stranger: str):
    """Characters outside the alphabet mean the same as `A`."""
    assert unpack_text(f"AQAA{stranger}QA0") == unpack_text("AQAAAQA0")


def test_each_byte_of_a_non_ascii_character_counts_as_zero():
    """The decoder sees UTF-8, not characters."""
    assert unpack_text("AQAA€A") == unpack_text("AQAAAAAA")
    assert unpack_text("AQA\ud800") == unpack_text("AQAA")


def test_a_single_character_left_over_is_dropped():
    """Six bits make no byte."""
    assert unpack_text("AQAAA") == unpack_text("AQAA") == b"\1\0\0"
    assert unpack_text("A") == b""


def test_an_empty_text_is_refused():
    """With its own reason: it is a missing parameter rather than a broken one."""
    with pytest.raises(InvalidFingerprint) as caught:
        unpack_text("")
    assert caught.value.reason is Reason.EMPTY


@pytest.mark.parametrize("space", [" ", "\n", "\t", "\u2003"])
@pytest.mark.parametrize("text", ["AQAAAQA", "QAAAQA"])
def test_white_space_in_front_is_refused(space: str, text: str):
    """Even where the text would decode to the right version with the space as a zero."""
    with pytest.raises(InvalidFingerprint, match="white space") as caught:
        unpack_text(space + text)
    assert caught.value.reason is Reason.LEADING_SPACE


@given(st.text(min_size=1))
def test_any_other_text_unpacks(text: str):
    """Three bytes for four characters, whatever they are."""
    if text[0].isspace():
        return
    size = len(text.encode(errors="replace"))
    assert len(unpack_text(text)) == size * 3 // 4
