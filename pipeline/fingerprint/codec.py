"""The Chromaprint format: a byte of version, 24 bits of count, then the coded words.

The text form, which clients send and fpcalc prints, is URL-safe Base64.
"""

import binascii
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pybase64

from pipeline.fingerprint.encoding import NORMAL_BITS, Bytes, encode_areas
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint.public_part import LONGEST
from pipeline.fingerprint.words import Words
from pipeline.submission_fields import MAX_DURATION

__all__ = [
    "ALGORITHM_TEST2",
    "MAX_WORDS",
    "Fingerprint",
    "InvalidFingerprint",
    "Reason",
    "compress",
    "decode",
    "decompress",
    "decompress_batch",
    "encode",
    "pack_text",
    "unpack_text",
]

ALGORITHM_TEST2 = 1
"""The version that AcoustID accepts: fpcalc's default, which it calls algorithm 2."""

MAX_WORDS = 2**24 - 1
"""Maximum number of words in the header."""

_HEADER = 4
_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Chromaprint reads any character outside its alphabet as 0 ("A"). For "+" and "/" that would turn
# a fingerprint in standard Base64 into noise, so they keep their meaning here.
_OUTSIDE_ALPHABET = bytes(code for code in range(256) if code not in _STANDARD + b"-_")
_TO_STANDARD = bytes.maketrans(b"-_" + _OUTSIDE_ALPHABET, b"+/" + b"A" * len(_OUTSIDE_ALPHABET))
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Fingerprint(NamedTuple):
    """The content of a compressed fingerprint.

    Attributes:
        version: the algorithm byte, signed as Chromaprint reads it: -128 to 127. The caller
            checks it.
        words: uint32[n]; may be empty.
    """

    version: int
    words: Words


def decode(text: str) -> Fingerprint:
    """Decode a fingerprint's text form.

    Raises:
        InvalidFingerprint: as `decompress`, or the text is empty or starts with white space.
    """
    return decompress(unpack_text(text))


def encode(words: Words, version: int = ALGORITHM_TEST2) -> str:
    """Return the text form, the inverse of `decode`; raises as `compress` does."""
    return pack_text(compress(words, version))


def compress(words: Words, version: int = ALGORITHM_TEST2) -> bytes:
    """Return the compressed form of the words, uint32[n].

    Raises:
        ValueError: the number of words or the version does not fit into the header.
    """
    if words.size > MAX_WORDS:
        raise ValueError(f"{words.size} words are more than a header can count ({MAX_WORDS})")
    if not -128 <= version <= 127:
        raise ValueError(f"the version must be between -128 and 127, not {version}")
    header = version.to_bytes(1, signed=True) + words.size.to_bytes(3)
    return header + encode_areas(words)


def decompress(data: Bytes) -> Fingerprint:
    """Decompress one fingerprint. Bytes after its end are ignored.

    Time and memory are linear in the size of `data`, even if the header has a wrong count.

    Raises:
        InvalidFingerprint: the data is shorter than a header, the header counts more words than
            `LONGEST`, there are too few codes for them, or a word has a bit above the 32nd.
    """
    (result,) = decompress_batch([data])
    if isinstance(result, InvalidFingerprint):
        raise result
    return result


def decompress_batch(items: Sequence[Bytes]) -> list[Fingerprint | InvalidFingerprint]:
    """Decompress many fingerprints at once; an invalid one does not affect the others.

    Returns:
        For each item its fingerprint or an InvalidFingerprint (returned, not raised). All words are
        views of one array: copy words that are kept longer than the others.
    """
    # The loops load Numba. Most processes that use this module never decompress a fingerprint.
    from pipeline.fingerprint.decoding import decode_areas  # noqa: PLC0415

    results = [_read_header(item) for item in items]
    filled = [i for i, result in enumerate(results) if _has_words(result, items[i])]
    decoded = decode_areas([items[i][_HEADER:] for i in filled], [_count(items[i]) for i in filled])
    for i, words in zip(filled, decoded, strict=True):
        results[i] = (
            words
            if isinstance(words, InvalidFingerprint)
            else Fingerprint(_version(items[i]), words)
        )
    return results


def _read_header(item: Bytes) -> Fingerprint | InvalidFingerprint:
    """Return a fingerprint without its words, or an error if the header can't be right."""
    if len(item) < _HEADER:
        return InvalidFingerprint(
            Reason.TOO_SHORT, f"the fingerprint is {len(item)} bytes, shorter than its header"
        )
    most = (len(item) - _HEADER) * 8 // NORMAL_BITS
    if _count(item) > most:
        return InvalidFingerprint(
            Reason.TRUNCATED,
            f"the fingerprint says it has {_count(item)} words, but has room for {most} at most",
        )
    if _count(item) > LONGEST:
        return InvalidFingerprint(
            Reason.TOO_LONG,
            f"the fingerprint has {_count(item)} words; it may have {LONGEST}: send the "
            f"first {MAX_DURATION} s",
        )
    return Fingerprint(_version(item), np.empty(0, np.uint32))


def _version(item: Bytes) -> int:
    return int.from_bytes(item[:1], signed=True)


def _count(item: Bytes) -> int:
    return int.from_bytes(item[1:_HEADER])


def _has_words(result: Fingerprint | InvalidFingerprint, item: Bytes) -> bool:
    return isinstance(result, Fingerprint) and _count(item) > 0


def unpack_text(text: str) -> bytes:
    """Return the bytes of a fingerprint's text, with the rules of Chromaprint's decoder.

    Padding, a newline at the end or any other character outside the alphabet counts as six zero
    bits. A single remaining character is dropped. At the end neither has an effect, because the
    codec ignores trailing bytes. A space at the start would shift the header, so it is refused.

    Raises:
        InvalidFingerprint: the text is empty or starts with white space.
    """
    if not text:
        raise InvalidFingerprint(Reason.EMPTY, "the fingerprint is empty")
    if text[0].isspace():
        raise InvalidFingerprint(
            Reason.LEADING_SPACE, "the fingerprint starts with white space: remove it"
        )
    if not any(each in text for each in "+/="):
        with suppress(ValueError):  # most texts are regular; this takes a tenth of the time
            padding = "=" * (-len(text) % 4)
            return pybase64.b64decode(text + padding, altchars=b"-_", validate=True)
    standard = text.encode(errors="replace").translate(_TO_STANDARD)
    if len(standard) % 4 == 1:
        standard = standard[:-1]
    return binascii.a2b_base64(standard + b"=" * (-len(standard) % 4))


def pack_text(data: bytes) -> str:
    """Return the bytes as URL-safe Base64 without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL_SAFE, b"=").decode()
