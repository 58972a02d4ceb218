"""The times in the headers of a message, for workers whose clocks may differ.

Celery writes the time at which a task is due (``eta``, also of a retry) and the time at which its
message expires (``expires``) as times of the clock of the publisher's host, and a worker compares
them with the clock of its own host. So a publisher adds the time of publishing by the shared clock,
and the seconds from then on. `tasks.clocks.timed_request` computes both times again from these
headers. A message without them, of an earlier version, is judged as Celery does.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tasks.redis_state.queue_lengths import SENT_HEADER

DELAY_HEADER: Final = "acoustid_delay"
"""The message header with the seconds from publishing to the time at which the task is due."""

LIFETIME_HEADER: Final = "acoustid_lifetime"
"""The message header with the seconds from publishing to the time at which the message expires."""


def stamp(headers: dict[str, Any], shared: float, wall: float) -> None:
    """Add the headers to those of a message that is published now.

    Celery publishes a retry with the headers and the expiry of the first message, which another
    host may have published. So an existing lifetime is kept, and begins anew.

    Args:
        headers: the headers of the message.
        shared: the time of the shared clock, in seconds since the epoch.
        wall: the time of this host, in seconds since the epoch.
    """
    headers[SENT_HEADER] = shared
    if (eta := headers.get("eta")) is not None:
        headers[DELAY_HEADER] = _seconds_until(eta, wall)
    if (expires := headers.get("expires")) is not None:
        headers.setdefault(LIFETIME_HEADER, _seconds_until(expires, wall))


def local_time(
    headers: Mapping[str, Any], header: str, shared: float, wall: float
) -> datetime | None:
    """Return a time of a message as a time of this host's clock; None without the headers.

    Args:
        headers: the headers of the message.
        header: `DELAY_HEADER` or `LIFETIME_HEADER`.
        shared: the time of the shared clock, in seconds since the epoch.
        wall: the time of this host, in seconds since the epoch.
    """
    sent, seconds = headers.get(SENT_HEADER), headers.get(header)
    if not isinstance(sent, int | float) or not isinstance(seconds, int | float):
        return None
    return datetime.fromtimestamp(wall, UTC) + timedelta(seconds=sent + seconds - shared)


def _seconds_until(time: str | datetime, wall: float) -> float:
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() - wall
