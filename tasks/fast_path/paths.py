"""Which parts of the fast path are on."""

from dataclasses import dataclass
from typing import Self

from pipeline.settings.sections import Settings


@dataclass(frozen=True, slots=True)
class FastPath:
    """The parts that are on, after `[celery] fast_path` has had its say.

    Attributes:
        fuses_stages: one task runs all stages of a batch of lookups.
        keeps_producer: a front end publishes batches on a connection of its own.
        keeps_connection: a worker pushes replies on a connection of its own.
        acknowledges: messages of lookups are kept by the broker until their task has ended.
        caches_generation: a front end keeps the catalogue's generation until Redis tells that it
            has changed.
    """

    fuses_stages: bool
    keeps_producer: bool
    keeps_connection: bool
    acknowledges: bool
    caches_generation: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings ask for."""
        is_on = settings.celery.fast_path
        return cls(
            fuses_stages=is_on and settings.celery.fuse_lookup_stages,
            keeps_producer=is_on and settings.celery.keep_producer,
            keeps_connection=is_on,
            acknowledges=not is_on or settings.celery.acknowledge_lookups,
            caches_generation=is_on and settings.api.cache_generation,
        )
