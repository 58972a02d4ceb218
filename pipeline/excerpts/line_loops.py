"""The loops that compare words along a line: refine it, and find the part that agrees."""

from typing import Final, NamedTuple

import numpy as np

from pipeline.excerpts.voting_loops import MAX_DRIFT
from pipeline.fingerprint.words import SILENCE, Words
from pipeline.loops.compiled import compiled, inlined
from pipeline.loops.intrinsics import count_ones

MIN_SHARE: Final = 0.6
"""Share of agreeing bits above which a word lengthens the matching part: between that of unrelated
music, 0.5, and that of telephone copies, 0.73."""

_SAMPLES: Final = 48  # words of a piece that are compared to refine a line


class Line(NamedTuple):
    """A line of places: place p of the shorter side lies at `column + speed * (p - middle)`."""

    middle: float
    column: float
    speed: float


class Part(NamedTuple):
    """A part of a line.

    Attributes:
        start: its first word of the shorter side.
        stop: the word after its last one.
        words: number of its words, without those that are silence on both sides.
        share: share of agreeing bits of these words.
    """

    start: int
    stop: int
    words: int
    share: float


@inlined
def place_on(line: Line, place: int) -> int:
    """Return the place of the longer side nearest to the line at a place of the shorter one."""
    return int(np.floor(line.column + line.speed * (place - line.middle) + 0.5))


@inlined
def agreeing(left: np.uint32, right: np.uint32) -> int:
    """Return the number of equal bits of two words."""
    return 32 - count_ones(np.uint64(left ^ right))


@compiled
def sampled_share(short: Words, long: Words, line: Line, start: int, stop: int) -> float:
    """Return the share of agreeing bits of about 48 words of a piece, 0 if few lie on the line."""
    step = max(1, (stop - start) // _SAMPLES)
    equal, words = 0, 0
    if line.speed == 1.0:
        shift = place_on(line, 0)
        first = start + max(0, -((start + shift) // step)) * step
        stop_inside = min(stop, long.size - shift)
        for place in range(first, stop_inside, step):
            equal += agreeing(short[place], long[place + shift])
        words = len(range(first, stop_inside, step))
    else:
        for place in range(start, stop, step):
            other = place_on(line, place)
            if 0 <= other < long.size:
                equal += agreeing(short[place], long[other])
                words += 1
    return equal / (32 * words) if 4 * words * step >= min(stop - start, 32) and words else 0.0


@compiled
def best_shift(
    short: Words, long: Words, line: Line, start: int, stop: int, reach: int
) -> tuple[Line, float]:
    """Return the line of the same speed, at most `reach` words away, along which most bits agree.

    Args:
        short: the shorter side.
        long: the longer side.
        line: a line.
        start: the first word of the part of the shorter side to compare.
        stop: the word after its last one.
        reach: largest shift, in words.

    Returns:
        The line, and its share of agreeing bits.
    """
    best, most = line, 0.0
    for shift in range(-reach, reach + 1):
        near = Line(line.middle, line.column + shift, line.speed)
        share = sampled_share(short, long, near, start, stop)
        if share > most:
            best, most = near, share
    return best, most


@compiled
def best_speed(
    short: Words, long: Words, line: Line, start: int, stop: int, reach: float
) -> tuple[Line, float]:
    """Return the line of about the same place, with another speed, along which most bits agree.

    Args:
        short: the shorter side.
        long: the longer side.
        line: a line through the middle of the part to compare.
        start: the first word of that part of the shorter side.
        stop: the word after its last one.
        reach: largest change of the speed.

    Returns:
        The line, and its share of agreeing bits.
    """
    best, most = best_shift(short, long, line, start, stop, 1)
    step = 2 / (stop - start)  # moves the line by a word at the part's ends
    each_side = int(reach / step + 0.5)
    for change in range(-each_side, each_side + 1):
        speed = line.speed + change * step
        if change == 0 or abs(speed - 1) > MAX_DRIFT + step / 2:
            continue
        near, share = best_shift(short, long, Line(line.middle, line.column, speed), start, stop, 1)
        if share > most:
            best, most = near, share
    return best, most


@compiled
def overlap(short: Words, long: Words, line: Line) -> tuple[int, int]:
    """Return the first word of the shorter side on a line inside the longer, and that after it."""
    start, stop = 0, short.size
    while start < stop and place_on(line, start) < 0:
        start += 1
    while stop > start and place_on(line, stop - 1) >= long.size:
        stop -= 1
    return start, stop


@compiled
def measure(short: Words, long: Words, line: Line, start: int, stop: int) -> Part:
    """Count the agreeing bits of a part of a line inside both sides."""
    equal, words = 0, 0
    for place in range(start, stop):
        left, right = short[place], long[place_on(line, place)]
        if left == SILENCE and right == SILENCE:
            continue
        equal += agreeing(left, right)
        words += 1
    return Part(start, stop, words, equal / (32 * words) if words else 0.0)


@compiled
def best_part(short: Words, long: Words, line: Line, start: int, stop: int) -> tuple[int, int]:
    """Return the bounds of the part with the highest sum of (share - MIN_SHARE) of its words.

    This is the maximum segment of Kadane's algorithm. Words that are silence on both sides add
    nothing.
    """
    total, most = 0.0, 0.0
    begin, first, last = start, start, start
    for place in range(start, stop):
        left, right = short[place], long[place_on(line, place)]
        if left != SILENCE or right != SILENCE:
            total += agreeing(left, right) - 32 * MIN_SHARE
        if total <= 0:
            total, begin = 0.0, place + 1
        elif total > most:
            most, first, last = total, begin, place + 1
    return first, last


@compiled
def agreement(part: Part) -> float:
    """Return how many words of a part agree above chance: none if half of the bits are equal."""
    return part.words * max(0.0, 2 * part.share - 1)


@compiled
def coverage(size: int, line: Line, start: int, stop: int) -> float:
    """Return the share of a piece whose places lie on a longer side of `size` words."""
    first, last = place_on(line, start), place_on(line, stop - 1)
    inside = min(last, size - 1) - max(first, 0) + 1
    return float(min(1.0, max(0.0, inside / (last - first + 1))))


@compiled
def peak(short: Words, long: Words, line: Line, part: Part) -> tuple[float, float]:
    """Return where between the words the true line lies, and how many more bits agree there.

    The agreement falls about linearly with the distance from the true place, on both sides.

    Returns:
        The distance of the true line, -0.5 to 0.5 words, and what its share is above that of the
        part.
    """
    shares = np.zeros(3)
    for shift in range(-1, 2):
        equal, words = 0, 0
        for place in range(part.start, part.stop):
            other = place_on(line, place) + shift
            if 0 <= other < long.size:
                equal += agreeing(short[place], long[other])
                words += 1
        shares[shift + 1] = equal / (32 * words) if words else 0.0
    fall = shares[1] - min(shares[0], shares[2])
    if fall <= 0:
        return 0.0, 0.0
    distance = min(0.5, max(-0.5, (shares[2] - shares[0]) / (2 * fall)))
    return distance, abs(distance) * fall
