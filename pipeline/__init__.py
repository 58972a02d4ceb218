"""The domain: lookups, imports, and the catalogue and index that they use.

`FingerprintService` and `TrackRepository` are for programs outside of this project. They are
imported at their first use, so ``import pipeline`` imports nothing else.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.catalog.fingerprint.tracks import TrackRepository
    from pipeline.fingerprint_service import FingerprintService

__all__ = ["FingerprintService", "TrackRepository"]


def __getattr__(name: str) -> type:
    """Import a public class at its first use."""
    if name == "FingerprintService":
        from pipeline.fingerprint_service import FingerprintService  # noqa: PLC0415 - see above

        return FingerprintService
    if name == "TrackRepository":
        from pipeline.catalog.fingerprint.tracks import TrackRepository  # noqa: PLC0415 - see above

        return TrackRepository
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
