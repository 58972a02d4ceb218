"""Options that need the sketch index are refused without it."""

from pathlib import Path

import pytest

from pipeline.settings.load import ConfigError, load_settings

SECOND_CHANCE = {"ACOUSTID_FEATURES_SECOND_CHANCE": "true"}


def test_a_second_chance_needs_a_sketch_index(tmp_path: Path) -> None:
    path = tmp_path / "acoustid.conf"
    path.write_text("[features]\nsecond_chance = true\n")
    with pytest.raises(ConfigError) as raised:
        load_settings(path, {})
    [problem] = raised.value.problems
    assert problem.startswith(f"{path}: [features] second_chance: set sketch_rate")
    path.write_text("[features]\nsecond_chance = true\n[fingerprint_index]\nsketch_rate = 8\n")
    assert load_settings(path, {}).features.second_chance


def test_a_stack_may_set_the_rate_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="ACOUSTID_FEATURES_SECOND_CHANCE: set sketch_rate"):
        load_settings(environ=SECOND_CHANCE)
    assert load_settings(environ=SECOND_CHANCE, complete=False).features.second_chance
