"""Fixtures of the tests of the command line."""

import os

import pytest

from pipeline.settings.option_names import PREFIX


@pytest.fixture(autouse=True)
def _without_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the configuration that tests with workers leave in the environment."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
