"""Measuring in processes of their own: what they hold, and what the system caches for them."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

FIELDS: Final = {"VmHWM": "peak_rss_mb", "VmRSS": "rss_mb", "RssAnon": "anonymous_mb"}


def in_new_process(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Call a module's function in a new interpreter, so that its memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def memory() -> dict[str, float]:
    """Return the memory of this process in MB.

    `anonymous_mb` is its own; of `rss_mb` the rest are mapped files, which the system takes back
    when it needs the room. `peak_rss_mb` is the most it has held of both.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = {line.partition(":")[0]: line.split()[1] for line in lines if line.endswith("kB")}
    return {name: round(int(found[field]) / 1e3, 1) for field, name in FIELDS.items()}


def forget_cached(folder: Path) -> None:
    """Drop a folder's files from the page cache; what a process has mapped stays."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
