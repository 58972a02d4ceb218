"""The Chromaprint format: a byte of version, 24 bits of count, then the coded words.

The text form is that in URL-safe Base64, which is what clients send and what fpcalc prints.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.fingerprint.bitpack import Bytes
from pipeline.fingerprint.decoding import NORMAL_BITS, decode_areas
from pipeline.fingerprint.encoding import encode_areas
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint.text import pack_text, unpack_text
from pipeline.fingerprint.words import Words

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
    "unpack_text",
]

ALGORITHM_TEST2 = 1
"""The version that AcoustID accepts, fpcalc's default (there called algorithm 2)."""

MAX_WORDS = 2**24 - 1
"""The most words that the header can count."""

_HEADER = 4


class Fingerprint(NamedTuple):
    """What a compressed fingerprint holds.

    Attributes:
        version: the algorithm byte, signed as Chromaprint reads it: -128 to 127. Whether it is
            the right one is for the caller to judge.
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
    """Return the text form; the inverse of `decode`, and it raises as `compress` does."""
    return pack_text(compress(words, version))


def compress(words: Words, version: int = ALGORITHM_TEST2) -> bytes:
    """Return the compressed form of the words, uint32[n].

    Raises:
        ValueError: more words or another version than the header can hold.
    """
    if words.size > MAX_WORDS:
        raise ValueError(f"{words.size} words are more than a header can count ({MAX_WORDS})")
    if not -128 <= version <= 127:
        raise ValueError(f"the version must be between -128 and 127, not {version}")
    header = version.to_bytes(1, signed=True) + words.size.to_bytes(3)
    return header + encode_areas(words)


def decompress(data: Bytes) -> Fingerprint:
    """Decompress one fingerprint. Bytes after its end are ignored.

    Raises:
        InvalidFingerprint: fewer bytes than a header, fewer codes than it promises, or a bit
            above the 32nd. Time and memory are linear in the size of `data`, whatever it says.
    """
    (result,) = decompress_batch([data])
    if isinstance(result, InvalidFingerprint):
        raise result
    return result


def decompress_batch(items: Sequence[Bytes]) -> list[Fingerprint | InvalidFingerprint]:
    """Decompress many fingerprints at once; a bad one doesn't spoil the others.

    Returns:
        For each item its fingerprint, or what `decompress` would raise (not raised). Words are
        views of one array that all share: copy those that are to be kept alone.
    """
    results = [_read_header(item) for item in items]
    filled = [i for i, result in enumerate(results) if _is_promising(result, items[i])]
    decoded = decode_areas([items[i][_HEADER:] for i in filled], [_count(items[i]) for i in filled])
    for i, words in zip(filled, decoded, strict=True):
        results[i] = (
            words
            if isinstance(words, InvalidFingerprint)
            else Fingerprint(_version(items[i]), words)
        )
    return results


def _read_header(item: Bytes) -> Fingerprint | InvalidFingerprint:
    """Return a fingerprint still without words, or what is wrong with the item at first sight."""
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
    return Fingerprint(_version(item), np.empty(0, np.uint32))


def _version(item: Bytes) -> int:
    return int.from_bytes(item[:1], signed=True)


def _count(item: Bytes) -> int:
    return int.from_bytes(item[1:_HEADER])


def _is_promising(result: Fingerprint | InvalidFingerprint, item: Bytes) -> bool:
    return isinstance(result, Fingerprint) and _count(item) > 0
