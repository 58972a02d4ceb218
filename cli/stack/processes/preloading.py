"""Loads the modules of the forked processes into this process, see `cli.stack.processes.forking`.

No module of the list reads the configuration, starts a thread or opens a connection when it is
imported. `tasks.celery` and the task modules are not in the list: they add the tasks to the
application, which is another one for beat and Flower. Most modules that they import are in it.
"""

import gc
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Final

MODULES: Final = (
    "numba",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "celery.__main__",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.backends.redis",
    "celery.concurrency.prefork",
    "celery.concurrency.solo",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "redbeat",
    "pipeline.warm_up",
    "pipeline.catalog.app.daily_statistics",
    "pipeline.catalog.app.retention",
    "pipeline.catalog.ingest.finished_receipts",
    "pipeline.catalog.migrate",
    "pipeline.following.update_index",
    "pipeline.following.store_copy",
    "pipeline.imports.all_stages",
    "pipeline.imports.duration_mismatches",
    "pipeline.lookups.dedupe",
    "pipeline.lookups.describe",
    "pipeline.lookups.excerpts.score",
    "pipeline.lookups.excerpts.second_chance",
    "pipeline.lookups.excerpts.validate",
    "pipeline.lookups.score",
    "pipeline.lookups.trusted_index",
    "pipeline.lookups.trusted_store",
    "pipeline.lookups.validate",
    "pipeline.runtime.logs",
    "pipeline.runtime.start_log",
    "pipeline.upkeep.mbid_redirects",
    "pipeline.upkeep.missing_mbids",
    "tasks.fast_path.lookup_sender",
    "tasks.redis_state.background_records",
    "tasks.redis_state.lookup_counters",
    "tasks.redis_state.missing_mbid_set",
    "tasks.redis_state.task_progress",
    "tasks.signals.worker",
    "tasks.stage_task",
    "tasks.worker_resources",
    "api.server",
    "api.wsgi",
    "cli.commands.service.migrate",
    "cli.commands.service.ready",
    "cli.commands.service.serve",
    "cli.commands.admin.sample",
    "cli.sample.load",
)

_BLAS_THREADS: Final = "OPENBLAS_NUM_THREADS"


def import_modules() -> Iterator[None]:
    """Import one module at each step, so that the caller can handle signals between them."""
    _import_numpy()
    yield
    for name in MODULES:
        import_module(name)
        yield


def _import_numpy() -> None:
    """Import NumPy without threads of OpenBLAS: a process with threads must not fork."""
    before = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = "1"
    try:
        import_module("numpy")
    finally:
        del os.environ[_BLAS_THREADS]
        if before is not None:
            os.environ[_BLAS_THREADS] = before


def load_loops(*, index: bool) -> None:
    """Load the machine code of the loops, and keep all objects out of later garbage collections.

    A collection would write to the memory of each object, and so end the sharing of that memory.

    Args:
        index: whether to load the loops of the index.
    """
    from pipeline.warm_up import warm_up  # noqa: PLC0415 - it loads Numba

    warm_up(index=index)
    gc.collect()
    gc.freeze()
