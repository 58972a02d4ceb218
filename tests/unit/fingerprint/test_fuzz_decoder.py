"""The decoder on 10^4 random inputs; ``make torture ARGS="fuzz"`` has 10^6."""

from tests.faults.torture.fuzz.decoder import fuzz_decoder

SEED = 22
CASES = 10_000


def test_decoding_agrees_with_the_reference_to_the_bit() -> None:
    fuzz_decoder(SEED, CASES)
