"""Damaged bodies in MessagePack and JSON; ``make torture ARGS="fuzz"`` has more of them."""

from tests.faults.torture.fuzz.packed_bodies import fuzz_packed_bodies

SEED = 22
CASES = 2_000


def test_a_damaged_body_is_a_value_or_an_error_of_the_protocol() -> None:
    fuzz_packed_bodies(SEED, CASES)
