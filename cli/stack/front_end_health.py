"""Reads the health checks of a stack's front end, for `acoustid up` and `acoustid status`."""

import http.client
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple
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

QUOTED: Final = 4000
"""Bytes of a reply without faults that a text quotes."""

Health = dict[str, Any]


class Reply(NamedTuple):
    """The reply of a front end to a health check.

    Attributes:
        health: its object; None without one.
        problem: the faults as a text; empty if the check succeeded.
        has_replied: whether the front end has replied. It may still be starting.
    """

    health: Health | None
    problem: str
    has_replied: bool


def read_health(state: RunState | None, path: str = ALL, timeout: float = TIMEOUT) -> Health | None:
    """Return the reply of the front end to a health check; None without one in time."""
    found = state.find("api") if state else None
    if found is None or not found.port:
        return None
    return ask(f"{web_address(found.host, found.port)}{path}", timeout).health


def ask(url: str, timeout: float = TIMEOUT) -> Reply:
    """Return the reply to a health check, or why there is none.

    Args:
        url: the address of the check.
        timeout: seconds to wait for the reply.
    """
    try:
        status, body = _get(url, timeout)
    except (OSError, http.client.HTTPException) as error:
        return Reply(None, f"no reply ({error})", has_replied=False)
    try:
        health: Health | None = dict(json.loads(body))
    except (ValueError, TypeError):
        health = None
    if status == HTTPStatus.OK and health is not None:
        return Reply(health, "", has_replied=True)
    faults = "; ".join(_faults(health or {}))
    text = faults or f"{status} {body[:QUOTED].decode(errors='replace')}"
    return Reply(health, text, has_replied=True)


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


def _get(url: str, timeout: float) -> tuple[int, bytes]:
    """Return the status and the body of a reply."""
    try:
        with urlopen(url, timeout=timeout) as answer:  # noqa: S310 - the address of the API
            return answer.status, answer.read()
    except HTTPError as error:  # such as 503, also with a body
        with error:
            return error.code, error.read()
