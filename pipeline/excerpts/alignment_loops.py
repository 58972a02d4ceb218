"""The loop that aligns pairs of fingerprints: votes, lines, the part that agrees, its chance."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.excerpts.chance_loops import divergence, independent_bits, log10_chance
from pipeline.excerpts.line_loops import (
    Line,
    Part,
    agreement,
    best_part,
    best_shift,
    best_speed,
    coverage,
    measure,
    overlap,
    peak,
)
from pipeline.excerpts.voting_loops import (
    MAX_DRIFT,
    SEEDS,
    Seeds,
    Votes,
    find_seeds,
    load_piece,
    make_seeds,
    make_votes,
    speed_step,
)
from pipeline.fingerprint.words import Words
from pipeline.loops.compiled import compiled

PIECE: Final = 1024
"""Largest number of words that vote together; longer fingerprints vote in pieces."""

_SHIFTS: Final = 3  # words by which a line of votes may be wrong
_SIMILAR: Final = 0.03  # places where nearly as many bits agree as at the best: loops repeat
_REFINED: Final = 4  # of these, how many are refined
_SLACK: Final = 0.01  # share of bits that a speed other than 1 must gain
_CERTAIN: Final = 0.37  # surprise of a bit, in nats, at a share of 0.9
_PREFERENCE: Final = 0.1  # of a part that agrees better than that
_WORSE: Final = 0.9  # a refined line with less agreement than this share is not taken

Numbers = NDArray[np.float64]


class FlatRows(NamedTuple):
    """Concatenated fingerprints, as in `Ragged`."""

    values: Words
    offsets: NDArray[np.int64]


class Found(NamedTuple):
    """Receives the results, one element a pair; offset and duration in words."""

    offset: Numbers
    duration: Numbers
    matched: NDArray[np.float32]
    speed: NDArray[np.float32]
    log10_chance: Numbers


class Match(NamedTuple):
    """The best line of a pair and the part of it that agrees."""

    line: Line
    part: Part
    log10_chance: float


@compiled
def align_pairs(
    queries: FlatRows,
    documents: FlatRows,
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
    longest_piece: int,
    longest: int,
    found: Found,
) -> None:
    """Align pairs of a query and a document.

    Args:
        queries: the excerpts.
        documents: the recordings.
        rows: the row of each pair in the queries, int64[n]. Pairs with the same query should be
            adjacent: the query is prepared once for all of them.
        others: its row in the documents.
        longest_piece: most words of a piece of the shorter side of a pair, at most `PIECE`.
        longest: most words of the longer side of a pair.
        found: receives the results, which hold "no match" before.
    """
    votes, seeds = make_votes(longest_piece, longest), make_seeds()
    loaded = -1
    for pair in range(rows.size):
        row, other = rows[pair], others[pair]
        query = queries.values[queries.offsets[row] : queries.offsets[row + 1]]
        document = documents.values[documents.offsets[other] : documents.offsets[other + 1]]
        if not query.size or not document.size:
            continue
        swapped = query.size > document.size
        if swapped:
            match = _align(document, query, votes, seeds, False)  # noqa: FBT003
            loaded = -1
        else:
            match = _align(query, document, votes, seeds, row == loaded)
            loaded = row if query.size <= PIECE else -1
        line, part = match.line, match.part
        words = part.stop - part.start
        if swapped:
            found.offset[pair] = line.middle - line.column / line.speed
            found.duration[pair] = words * line.speed
            found.speed[pair] = 1 / line.speed
        else:
            found.offset[pair] = line.column - line.speed * line.middle
            found.duration[pair] = words
            found.speed[pair] = line.speed
        found.matched[pair] = part.share
        found.log10_chance[pair] = match.log10_chance


@compiled
def _align(short: Words, long: Words, votes: Votes, seeds: Seeds, loaded: bool) -> Match:  # noqa: FBT001
    """Return the best match of a pair.

    Args:
        short: the shorter side.
        long: the longer side.
        votes: working memory.
        seeds: working memory.
        loaded: whether the votes are prepared for the shorter side, which is one piece.
    """
    best, most = Match(Line(0.0, 0.0, 1.0), Part(0, 0, 0, 0.0), 0.0), 0.0
    pieces = -(-short.size // PIECE)
    excess, columns = np.zeros(SEEDS), np.zeros(SEEDS)
    for piece in range(pieces):
        start, stop = piece * short.size // pieces, (piece + 1) * short.size // pieces
        if not loaded:
            load_piece(short[start:stop], votes)
        find_seeds(stop - start, long, votes, seeds)
        middle = float(start + (stop - start) // 2)
        for seed in range(SEEDS):
            excess[seed] = 0.0
            if seeds.votes[seed]:
                line = Line(middle, float(seeds.column[seed]), seeds.speed[seed])
                line, share = best_shift(short, long, line, start, stop, _SHIFTS)
                covered = coverage(long.size, line, start, stop)
                excess[seed], columns[seed] = (share - 0.5) * covered, line.column
        least = max(np.max(excess) - _SIMILAR, 0.0)
        for _ in range(_REFINED):
            seed = int(np.argmax(excess))
            if excess[seed] <= least:
                break
            excess[seed] = 0.0
            line = Line(middle, columns[seed], seeds.speed[seed])
            reach = min(speed_step(stop - start) / 2, MAX_DRIFT)
            line, _ = best_speed(short, long, line, start, stop, reach)
            match = _best_part(short, long, line)
            weight = _certainty(short, long, match)
            if weight > most:
                best, most = match, weight
    if not most:
        return best
    return _finish(short, long, best)


@compiled
def _finish(short: Words, long: Words, found: Match) -> Match:
    """Refine the line of the best part, and compute its significance."""
    line, part = found.line, found.part
    middle = float(part.start + (part.stop - part.start) // 2)
    column = line.column + line.speed * (middle - line.middle)
    line = Line(middle, np.floor(column + 0.5), line.speed)
    if line.speed != 1.0:
        line = _refine_speed(short, long, line, part)
    match = _best_part(short, long, line)
    if agreement(match.part) < _WORSE * agreement(part):
        match = found
    line, part = match.line, match.part
    bits = independent_bits(short, long, line, part)
    chance = log10_chance(part.share, bits, short.size, long.size)
    shift, _ = peak(short, long, line, part)
    return Match(Line(line.middle, line.column + shift, line.speed), part, chance)


@compiled
def _refine_speed(short: Words, long: Words, line: Line, part: Part) -> Line:
    """Return the line of the speed that fits a part; speed 1 if about as many bits agree."""
    if part.stop - part.start < short.size:
        reach = 2 / min(short.size, PIECE)
        line, share = best_speed(short, long, line, part.start, part.stop, reach)
    else:
        line, share = best_shift(short, long, line, part.start, part.stop, 0)
    straight = Line(line.middle, line.column, 1.0)
    straight, other = best_shift(short, long, straight, part.start, part.stop, _SHIFTS)
    return straight if other >= share - _SLACK else line


@compiled
def _best_part(short: Words, long: Words, line: Line) -> Match:
    """Return the part of a line that agrees or the whole overlap, whichever surprises more."""
    start, stop = overlap(short, long, line)
    whole = measure(short, long, line, start, stop)
    first, last = best_part(short, long, line, start, stop)
    part = measure(short, long, line, first, last)
    if part.words * divergence(part.share) > whole.words * divergence(whole.share):
        return Match(line, part, 0.0)
    return Match(line, whole, 0.0)


@compiled
def _certainty(short: Words, long: Words, match: Match) -> float:
    """Return the weight of a match in the choice of a line: its surprise in nats a bit, limited.

    Of two parts that certainly match, the longer one wins, whichever agrees better. Of two equally
    long ones the better wins. The share of agreeing bits is that at the true place, which lies
    between two words: audio that is cut between the words of the recording agrees less everywhere,
    and loops, which repeat, would be chosen by how they lie between the words.
    """
    part = match.part
    _, gain = peak(short, long, match.line, part)
    surprise = divergence(min(1.0, part.share + gain))
    return part.words * (min(surprise, _CERTAIN) + _PREFERENCE * surprise)
