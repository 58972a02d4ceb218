"""From words to code areas."""

import numpy as np

from pipeline.fingerprint.bitpack import pack_area
from pipeline.fingerprint.decoding import ESCAPE, EXCEPTION_BITS, NORMAL_BITS
from pipeline.fingerprint.words import Words


def encode_areas(words: Words) -> bytes:
    """Return the normal and the exception codes of the words, each area from a byte boundary.

    Args:
        words: uint32[n].
    """
    changes = words.astype("<u4")
    changes[1:] ^= words[:-1]
    bits = np.unpackbits(changes.view(np.uint8), bitorder="little")
    places = np.flatnonzero(bits.view(np.bool))
    owners = places >> 5
    previous = np.concatenate(([-1], places[:-1]))
    distances = (places - np.maximum(previous, (owners << 5) - 1)).astype(np.uint8)
    # One terminator stands before a bit for each word that ended before it.
    codes = np.zeros(places.size + words.size, np.uint8)
    codes[np.arange(places.size) + owners] = np.minimum(distances, np.uint8(ESCAPE))
    exceptions = distances[distances >= ESCAPE] - np.uint8(ESCAPE)
    return pack_area(codes, NORMAL_BITS) + pack_area(exceptions, EXCEPTION_BITS)
