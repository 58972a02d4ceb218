"""Runs functions in parallel for a limited time."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Read = Callable[[], Any]


def in_parallel(reads: Mapping[str, Read], seconds: float) -> dict[str, Any]:
    """Return the results of functions by their names; None for one that does not return in time.

    Its thread continues. It does not delay the end of the process.

    Args:
        reads: the functions by name.
        seconds: maximum time for all of them.

    Raises:
        Exception: what one of the functions raised.
    """
    deadline = time.monotonic() + seconds
    ended: queue.SimpleQueue[tuple[str, Any, Exception | None]] = queue.SimpleQueue()
    for name, read in reads.items():
        threading.Thread(target=_run, args=(name, read, ended), name=name, daemon=True).start()
    found: dict[str, Any] = dict.fromkeys(reads)
    for _ in reads:
        try:
            name, result, error = ended.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if error is not None:
            raise error
        found[name] = result
    return found


def _run(
    name: str, read: Read, ended: "queue.SimpleQueue[tuple[str, Any, Exception | None]]"
) -> None:
    try:
        ended.put((name, read(), None))
    except Exception as error:  # noqa: BLE001 - the caller raises it
        ended.put((name, None, error))
