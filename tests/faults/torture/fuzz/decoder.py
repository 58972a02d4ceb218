"""Damaged, random and valid fingerprints: the decoder against the slow reference, to the bit."""

from collections.abc import Iterator
from random import Random
from typing import Final

from pipeline.fingerprint import codec
from pipeline.fingerprint.codec import InvalidFingerprint
from tests.unit.fingerprint import reference

BATCH: Final = 200
_BIASED: Final = bytes([0x00, 0xFF, 0x38, 0xC7, 0x49, 0x92, 0x24])


def fuzz_decoder(seed: int, cases: int) -> None:
    """Decode inputs in batches, and each as the reference does.

    Raises:
        AssertionError: words, version or refusal differ.
    """
    random = Random(seed)
    for first in range(0, cases, BATCH):
        items = [_input(random) for _ in range(min(BATCH, cases - first))]
        for item, result in zip(items, codec.decompress_batch(items), strict=True):
            expected = reference.decode(item)
            is_refused = isinstance(result, InvalidFingerprint)
            found = None if is_refused else result.words.tolist()
            assert found == expected, f"seed {seed}: {item.hex()} decodes to {found}"
            if not is_refused:
                assert result.version == int.from_bytes(item[:1], signed=True), item.hex()


def _input(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.15:
        return random.randbytes(random.randrange(60))
    if kind < 0.35:
        return _random_codes(random)
    data = bytearray(reference.encode(list(_words(random)), random.randint(-128, 127) & 0xFF))
    if kind > 0.5:
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] = random.randrange(256)
    if kind > 0.85:
        del data[random.randrange(len(data) + 1) :]
    return bytes(data) + (random.randbytes(3) if kind < 0.4 else b"")


def _random_codes(random: Random) -> bytes:
    """Return a header with a small count, and bytes that are biased towards 0 and 7."""
    body = bytes(random.choice(_BIASED) for _ in range(random.randrange(40)))
    header = b"\1" + random.randrange(12).to_bytes(3, "big")
    return header + body + random.randbytes(random.randrange(20))


def _words(random: Random) -> Iterator[int]:
    word = random.getrandbits(32)
    for _ in range(random.randrange(12)):
        if random.random() < 0.3:
            word = random.choice((0, 1, 1 << 31, (1 << 32) - 1, 627964279, random.getrandbits(32)))
        else:
            word ^= 1 << random.randrange(32)
        yield word
