"""Damaged configuration files; ``make torture ARGS="fuzz"`` has more of them."""

from tests.faults.torture.fuzz.configuration import fuzz_configuration

SEED = 22
CASES = 40


def test_a_damaged_file_gives_settings_or_a_list_of_problems() -> None:
    fuzz_configuration(SEED, CASES)
