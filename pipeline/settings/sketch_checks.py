"""Checks that options which need the sketch index are set together with it."""

from collections.abc import Iterator

from pipeline.settings.sections import Settings
from pipeline.settings.tls_checks import Options


def sketch_problems(settings: Settings) -> Iterator[str]:
    """Yield a line for each option that needs a sketch index while there is none."""
    if settings.features.second_chance and not settings.fingerprint_index.sketch_rate:
        yield Options("features", settings).problem(
            "second_chance",
            "set sketch_rate in [fingerprint_index] too: a second chance searches the sketch index",
        )
