"""The part of a fingerprint that the public algorithm uses, and the longest fingerprint."""

import numpy as np

from pipeline.fingerprint.codec import compress, decompress, decompress_batch
from pipeline.fingerprint.errors import InvalidFingerprint, Reason
from pipeline.fingerprint.public_part import LONGEST, PUBLIC_WORDS, public_part
from tests.support.catalogue.synthetic import fingerprint
from tests.unit.fingerprint.samples import real_data


def test_the_public_part_is_what_fpcalc_makes_of_120_s() -> None:
    """Real fingerprints of longer recordings have as many words."""
    sizes = [words.size for words in real_data().words]
    assert max(sizes) == PUBLIC_WORDS
    assert sizes.count(PUBLIC_WORDS) > len(sizes) / 2


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
