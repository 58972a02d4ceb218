"""The part of a fingerprint that the public algorithm uses, and the longest fingerprint."""

import numpy as np

from pipeline.fingerprint.codec import compress, decode, decompress, decompress_batch
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint.public_part import LONGEST, PUBLIC_WORDS, public_part
from tests.support.catalogue.recordings import recordings
from tests.support.catalogue.synthetic import fingerprint


def test_the_public_part_is_what_fpcalc_makes_of_120_s() -> None:
    """The fingerprints of real recordings are of longer ones."""
    assert all(each.original.duration > 120 for each in recordings())
    sizes = {decode(each.original.fingerprint).words.size for each in recordings()}
    assert sizes == {PUBLIC_WORDS}


def test_a_short_fingerprint_is_its_own_public_part() -> None:
    words = fingerprint(1, words=100)
    assert public_part(words).size == 100
    assert np.array_equal(public_part(fingerprint(1, words=5000)), fingerprint(1, words=948))


def test_the_longest_fingerprint_is_decoded_and_a_longer_one_is_not() -> None:
    """One word more is refused, before its words are decoded."""
    longest = fingerprint(1, words=LONGEST)
    assert np.array_equal(decompress(compress(longest)).words, longest)
    longer = compress(np.append(longest, np.uint32(1)))
    [refused, kept] = decompress_batch([longer, compress(longest[:10])])
    assert isinstance(refused, InvalidFingerprint)
    assert refused.reason is Reason.TOO_LONG
    assert str(refused) == (
        "the fingerprint has 264657 words; it may have 264656: send the first 32767 s"
    )
    assert not isinstance(kept, InvalidFingerprint)
