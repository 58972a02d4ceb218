"""Recall, position error and false matches of a set of answers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.identification.algorithms import Answer

NEAR: Final = 0.5
"""A place is correct if it is within so many seconds of the true one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer compared with the correct one.

    Attributes:
        is_found: whether the first result is the correct recording.
        is_wrong: whether the first result is another recording.
        error: seconds between the true place and that of the answer; None unless the recording is
            correct and the answer has a place.
    """

    is_found: bool
    is_wrong: bool
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of some answers.

    Attributes:
        queries: number of answers.
        recall: share whose first result is the correct recording.
        wrong: number of answers whose first result is another recording.
        places: number of correct answers with a place.
        median_error: median position error in seconds; None without places.
        error_95: its 95th percentile.
        near: share of the places that are within `NEAR` of the true one.
    """

    queries: int
    recall: float
    wrong: int
    places: int
    median_error: float | None
    error_95: float | None
    near: float | None


def judge(answer: Answer, number: int, same: Collection[int], place: float) -> Outcome:
    """Compare an answer with the correct one.

    Args:
        answer: the answer.
        number: the number of the correct recording.
        same: the numbers of recordings with the same music, which are correct too. Their true place
            is unknown.
        place: the true place of the query's first word in the correct recording, in seconds.
    """
    if not answer.numbers:
        return Outcome(is_found=False, is_wrong=False)
    best = answer.numbers[0]
    is_found = best == number or best in same
    error = abs(answer.place - place) if best == number and answer.place is not None else None
    return Outcome(is_found, not is_found, error)


def summarize(outcomes: Sequence[Outcome]) -> Summary:
    """Return the figures of at least one outcome."""
    errors = np.array([each.error for each in outcomes if each.error is not None])
    median, high = np.percentile(errors, [50, 95]).tolist() if errors.size else (None, None)
    return Summary(
        queries=len(outcomes),
        recall=sum(each.is_found for each in outcomes) / len(outcomes),
        wrong=sum(each.is_wrong for each in outcomes),
        places=errors.size,
        median_error=median,
        error_95=high,
        near=float((errors <= NEAR).mean()) if errors.size else None,
    )


def share_at_most(values: Sequence[float], thresholds: Sequence[float]) -> list[float]:
    """Return the share of values that are at most each threshold."""
    ordered = np.sort(np.asarray(values, np.float64))
    shares: list[float] = (
        np.searchsorted(ordered, thresholds, side="right") / max(1, ordered.size)
    ).tolist()
    return shares
