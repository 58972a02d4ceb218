"""Options that use the sketch index need one."""

from pathlib import Path

import pytest

from pipeline.settings.load import ConfigError, load_settings

SECOND_CHANCE = {"ACOUSTID_FEATURES_SECOND_CHANCE": "true"}
RATE = "ACOUSTID_FINGERPRINT_INDEX_SKETCH_RATE"


@pytest.mark.parametrize("given", [{}, {RATE: "0"}])
def test_a_second_chance_without_a_sketch_index_is_an_error(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(Path("/dev/null"), {**SECOND_CHANCE, **given})
    assert str(caught.value).endswith(
        "ACOUSTID_FEATURES_SECOND_CHANCE: needs the sketch index: set sketch_rate in "
        "[fingerprint_index] to 1 or more, such as 4"
    )


def test_a_rate_is_enough() -> None:
    found = load_settings(Path("/dev/null"), {**SECOND_CHANCE, RATE: "1"})
    assert found.features.second_chance


def test_the_embedded_stack_adds_a_rate_unless_one_is_set() -> None:
    assert load_settings(Path("/dev/null"), SECOND_CHANCE, embedded=True)
    with pytest.raises(ConfigError):
        load_settings(Path("/dev/null"), {**SECOND_CHANCE, RATE: "0"}, embedded=True)
