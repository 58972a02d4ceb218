"""Reads the health checks of a stack's front end, for `acoustid up` and `acoustid status`."""

import http.client
import json
import time
from collections.abc import Mapping
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.request import urlopen

from cli.stack.run_state import RunState
from cli.stack.servers.ports import web_address

TIMEOUT: Final = 5.0
"""Seconds to wait for a reply."""

SETTLED_AFTER: Final = 5.0
"""Seconds after the start of a stack in which a fault may still end."""

ALL: Final = "/_health"
LOOKUPS: Final = "/_health_ro"

POLL_INTERVAL: Final = 0.5  # seconds

Health = dict[str, Any]


def read_health(state: RunState | None, path: str = ALL) -> Health | None:
    """Return the reply of the front end to a health check; None without one."""
    found = state.find("api") if state else None
    if found is None or not found.port:
        return None
    try:
        with _open(f"{web_address(found.host, found.port)}{path}") as reply:
            return dict(json.load(reply))
    except (OSError, http.client.HTTPException, ValueError):
        return None


def settled_health(state: RunState | None, seconds: float | None = None) -> Health | None:
    """Return the health as soon as its grade is ``ok``, else that after some seconds.

    Args:
        state: the stack.
        seconds: the maximum time; `SETTLED_AFTER` by default.
    """
    deadline = time.monotonic() + (SETTLED_AFTER if seconds is None else seconds)
    while True:
        found = read_health(state)
        if (found and found.get("status") == "ok") or time.monotonic() > deadline:
            return found
        time.sleep(POLL_INTERVAL)


def lookup_faults(state: RunState | None) -> list[str]:
    """Return why lookups are not possible; nothing if they are, or without a reply."""
    found = read_health(state, LOOKUPS)
    return _faults(found) if found and found.get("status") == "error" else []


def health_lines(found: Mapping[str, Any]) -> list[str]:
    """Return the grade, and one line for each fault."""
    return [f"health    {found.get('status')}", *(f"  {line}" for line in _faults(found))]


def _faults(found: Mapping[str, Any]) -> list[str]:
    return [str(line) for line in found.get("faults", ())]


def _open(url: str) -> IO[bytes]:
    try:
        answer: IO[bytes] = urlopen(url, timeout=TIMEOUT)  # noqa: S310 - the address of the API
    except HTTPError as error:  # such as 503, also with a body
        return error
    return answer
