"""Measures the time until a reader in another process finds new documents."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.index.build import link_index
from pipeline.index import Insert, open_reader, open_writer
from pipeline.index.warm_up import warm_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from bench.index.model import Model, Terms
    from pipeline.index import IndexReader

COMMITS: Final = 20
DOCUMENTS: Final = 100
PAUSE: Final = 0.0005  # seconds between two searches of the reader


def measure_freshness(path: Path, model: Model, documents: int) -> dict[str, float]:
    """Commit small batches to a copy of an index, and search for them in another process.

    Returns:
        Milliseconds from the call of `apply` until it returned, and until the other process found
        the last document of the batch.
    """
    warm_up()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    applied, found = [], []
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder)
        link_index(path, copy)
        watcher = context.Process(target=search_until_found, args=(copy, there), daemon=True)
        watcher.start()
        here.recv()  # the reader is ready
        with open_writer(copy) as writer:
            for batch in _batches(model, documents):
                here.send(batch[-1].terms)
                here.recv()
                start = time.monotonic()
                writer.apply(batch, batch[-1].id)
                applied.append(1e3 * (time.monotonic() - start))
                found.append(1e3 * (here.recv() - start))
        here.send(None)
        watcher.join()
    return {
        "documents": DOCUMENTS,
        "apply_p50_ms": round(float(np.median(applied)), 2),
        "found_p50_ms": round(float(np.median(found)), 2),
        "found_max_ms": round(max(found), 2),
    }


def search_until_found(path: Path, pipe: Connection) -> None:
    """Search for each document until it is found, and send the time."""
    warm_up()
    with open_reader(path) as reader:
        pipe.send("ready")
        while (terms := pipe.recv()) is not None:
            pipe.send("waiting")
            while not _holds(reader, terms):
                time.sleep(PAUSE)
            pipe.send(time.monotonic())


def _holds(reader: IndexReader, terms: Terms) -> bool:
    [hits] = reader.search([terms], limit=1)
    return bool((hits.scores == terms.size).any())


def _batches(model: Model, documents: int) -> Iterator[list[Insert]]:
    return model.inserts(documents + COMMITS * DOCUMENTS, DOCUMENTS, documents)
