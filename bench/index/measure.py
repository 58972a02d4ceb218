"""Measures the index alone, on a model of its content; each part in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.index.build import build
from bench.index.fresh import fresh
from bench.index.model import Model
from bench.index.search import search
from bench.index.start import starts
from bench.processes import in_new_process
from pipeline.index import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def measure(
    path: Path, documents: int, size: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Build an index, or use one that is there, and return all figures.

    Args:
        path: its folder; another beside it holds a copy for a while, without its bytes.
        documents: how many it is to hold.
        size: documents a commit.
        progress: told what goes on.
    """
    model = Model()
    progress(f"{documents} documents: building")
    built = in_new_process(build, path, model, documents, size)
    progress(f"{documents} documents: searching")
    searched = in_new_process(search, path, model, documents)
    progress(f"{documents} documents: starting")
    started = starts(path, model, documents)
    progress(f"{documents} documents: inserting while another process searches")
    found = in_new_process(fresh, path, model, documents)
    return {
        **_size(path),
        "build": built,
        "search": searched,
        "start": started,
        "fresh_batch": found,
    }


def _size(path: Path) -> dict[str, Any]:
    with open_reader(path) as reader:
        stats = reader.stats()
    return {
        "documents": stats.documents,
        "bytes_per_document": round(stats.bytes / stats.documents, 1),
        "segments": stats.segments,
    }
