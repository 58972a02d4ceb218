"""Checks that options which use the sketch index come with one."""

from collections.abc import Iterator
from typing import Final

from pipeline.settings.sections import Settings
from pipeline.settings.tls_checks import Options

EMBEDDED_RATE: Final = 4
"""The rate of the sketch index that `acoustid up` sets if the user sets none."""


def sketch_problems(settings: Settings, *, embedded: bool = False) -> Iterator[str]:
    """Yield a line for each option that needs a sketch index without one.

    Args:
        settings: the settings.
        embedded: whether `acoustid up` adds a rate if no source sets it.
    """
    if settings.fingerprint_index.sketch_rate:
        return
    if embedded and "fingerprint_index.sketch_rate" not in settings.sources:
        return
    if settings.features.second_chance:
        yield Options("features", settings).problem(
            "second_chance",
            "needs the sketch index: set sketch_rate in [fingerprint_index] to 1 or more, such as "
            f"{EMBEDDED_RATE}",
        )
