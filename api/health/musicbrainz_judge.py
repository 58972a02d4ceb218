"""Judges how far the copy of MusicBrainz is behind."""

from dataclasses import dataclass
from typing import Final

from api.health.judges import NOT_KNOWN, PASSED, Judgement, State
from api.health.probe_runner import Outcome
from pipeline.catalog.musicbrainz.replication.position import Position

NOT_FOLLOWED: Final = (
    "the copy of MusicBrainz is empty or has no number of a packet, so it is not followed: load a "
    "dump with `acoustid musicbrainz load`"
)


@dataclass(frozen=True, slots=True)
class FollowedCopy:
    """The outcome of the probe.

    Attributes:
        position: the state of the copy; None if it is empty.
        max_lag: seconds by which it may be behind; 0 for any time.
    """

    position: Position | None
    max_lag: float


def replication(outcome: Outcome) -> Judgement:
    """Fail if the copy cannot be followed, or is too far behind."""
    found = outcome.value
    if outcome.failed or not isinstance(found, FollowedCopy):
        return NOT_KNOWN  # the check of the database has a line
    position = found.position
    if position is None or position.sequence is None or position.lag is None:
        return Judgement(State.FAILED, NOT_FOLLOWED)
    if not found.max_lag or position.lag <= found.max_lag:
        return PASSED
    line = (
        f"the copy of MusicBrainz is {position.lag / 3600:.1f} h behind: `acoustid status` gives "
        "the reason; check [musicbrainz] replication_source, beat, and the worker of the queue "
        "submission"
    )
    return Judgement(State.FAILED, line)
