"""How the beat follows MusicBrainz: the reason for which it stands still, and its next run."""

from typing import Final, cast

import redis

PROBLEM_KEY: Final = "musicbrainz_following:problem"
"""The Redis key of the reason for which the last run could not apply a packet."""

NEXT_RUN_KEY: Final = "musicbrainz_following:next_run"
"""The Redis key that exists while the message of a run waits that goes on after another one."""

_PROBLEM_LIFETIME: Final = 30 * 86_400  # seconds
_NEXT_RUN_LIFETIME: Final = 120  # seconds; a message that waits for longer may be lost


def store_problem(connection: redis.Redis, problem: str) -> None:
    """Store the reason for which no packet can be applied; an empty text deletes it."""
    if problem:
        connection.set(PROBLEM_KEY, problem, ex=_PROBLEM_LIFETIME)
    else:
        connection.delete(PROBLEM_KEY)


def read_problem(connection: redis.Redis) -> str:
    """Return the reason for which no packet can be applied, an empty text if there is none."""
    found = cast("bytes | None", connection.get(PROBLEM_KEY))
    return found.decode() if found else ""


def claim_next_run(connection: redis.Redis) -> bool:
    """Return whether the caller must publish a run that goes on; False if one waits already."""
    return bool(connection.set(NEXT_RUN_KEY, b"1", nx=True, ex=_NEXT_RUN_LIFETIME))


def next_run_began(connection: redis.Redis) -> None:
    """Let the next run that does not finish publish another one."""
    connection.delete(NEXT_RUN_KEY)
