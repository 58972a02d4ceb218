"""The domain: lookups, imports, and the catalogue and index that they use.

`FingerprintService` and `TrackRepository` are for programs outside of this project. They are
imported at their first use, so ``import pipeline`` imports nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pipeline.catalog.fingerprint.tracks import TrackRepository
    from pipeline.fingerprint_service import FingerprintService

__all__ = ["FingerprintService", "TrackRepository"]

_MODULES: Final = {
    "FingerprintService": "pipeline.fingerprint_service",
    "TrackRepository": "pipeline.catalog.fingerprint.tracks",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - Python's signature
    """Import a public class at its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
