"""Reads from the settings which optimisations of the fast path are on."""

from dataclasses import dataclass
from typing import Self

from pipeline.settings.sections import Settings


@dataclass(frozen=True, slots=True)
class FastPath:
    """The optimisations that are on; `[celery] fast_path = false` turns all of them off.

    Attributes:
        fuses_stages: one task runs all stages of a batch of lookups.
        keeps_producer: a front end publishes batches on a separate connection.
        keeps_connection: a worker pushes replies on a separate connection.
        acknowledges: the broker keeps a message of a lookup until its task has ended. The
            optimisation is to turn this off.
        caches_generation: a front end caches the catalogue's generation until Redis reports a
            change.
    """

    fuses_stages: bool
    keeps_producer: bool
    keeps_connection: bool
    acknowledges: bool
    caches_generation: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the optimisations that the settings turn on."""
        is_on = settings.celery.fast_path
        return cls(
            fuses_stages=is_on and settings.celery.fuse_lookup_stages,
            keeps_producer=is_on and settings.celery.keep_producer,
            keeps_connection=is_on,
            acknowledges=not is_on or settings.celery.acknowledge_lookups,
            caches_generation=is_on and settings.api.cache_generation,
        )
