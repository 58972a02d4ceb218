"""Runs all measurements of an evaluation."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.identification.catalogue import Catalogue, Sizes
from bench.identification.cost import SearchCost, measure_searches
from bench.identification.distractors import distractors
from bench.identification.kinds import KindFigures, measure_kinds
from bench.identification.leave_out import FalseMatches, Half, Pieces, measure_false_matches, split
from bench.identification.metrics import share_at_most
from bench.identification.pieces import measure_lengths
from bench.identification.recordings import Recording
from pipeline.excerpts.significance import MAX_FALSE_MATCHES

THRESHOLDS: Final = tuple(power / 2 for power in range(-24, 5))
"""log10 of the expected number of false matches at which the curve of false matches is drawn."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an evaluation measures.

    Attributes:
        rate: the sketch rate.
        distractors: number of distractors.
        pieces: number of pieces of recordings that are not in the catalogue.
        seed: chooses distractors, halves and pieces.
    """

    rate: int
    distractors: int
    pieces: int
    seed: int


@dataclass(frozen=True, slots=True)
class CatalogueFigures:
    """The figures of a catalogue of one size.

    Attributes:
        distractors: number of distractors in it.
        sizes: the sizes of the indexes.
        kinds: recall and position error by kind.
        lengths: recall by kind and by length of a piece in seconds.
        false_matches: false matches by kind.
        pieces: false matches of pieces.
        costs: CPU time of searches by kind.
    """

    distractors: int
    sizes: Sizes
    kinds: Mapping[str, KindFigures]
    lengths: Mapping[str, Mapping[int, float]]
    false_matches: Mapping[str, FalseMatches]
    pieces: Pieces
    costs: Mapping[str, SearchCost]

    def curve(self) -> list[float]:
        """Return the share of pieces with a match at most as improbable, at each threshold.

        A match at threshold t is one for which 10**t false matches are expected.
        """
        return share_at_most(self.pieces.expected, THRESHOLDS)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of an evaluation.

    Attributes:
        plan: what was measured.
        recordings: number of real recordings.
        catalogues: the figures without distractors, and with them if the plan has some.
    """

    plan: Plan
    recordings: int
    catalogues: tuple[CatalogueFigures, ...]

    def as_json(self) -> dict[str, Any]:
        """Return all figures as types of JSON."""
        return {
            "recordings": self.recordings,
            **asdict(self.plan),
            "max_false_matches": MAX_FALSE_MATCHES,
            "catalogues": [_as_json(each) for each in self.catalogues],
        }


def evaluate(
    recordings: Sequence[Recording], plan: Plan, progress: Callable[[str], object]
) -> Evaluation:
    """Measure both algorithms on a catalogue of real recordings, and again among distractors.

    Args:
        recordings: at least two recordings with variants.
        plan: what is measured.
        progress: is called with a line before each step.
    """
    with (
        tempfile.TemporaryDirectory(prefix="acoustid-evaluate-") as folder,
        Catalogue(Path(folder), recordings, plan.rate) as catalogue,
    ):
        halves = [Half(each) for each in split(recordings, plan.seed)]
        figures = [_measure(catalogue, halves, 0, plan, progress)]
        if plan.distractors:
            progress(f"{plan.distractors:,} distractors")
            halves = _with_distractors(catalogue, halves, plan)
            figures.append(_measure(catalogue, halves, plan.distractors, plan, progress))
    return Evaluation(plan, len(recordings), tuple(figures))


def _with_distractors(catalogue: Catalogue, halves: Sequence[Half], plan: Plan) -> list[Half]:
    """Add the distractors to a catalogue, one part made from each half of the recordings."""
    found = []
    for place, half in enumerate(halves):
        count = (plan.distractors + place) // len(halves)
        words = [each.words for each in half.recordings]
        batches = distractors(words, count, plan.seed + place)
        numbers = catalogue.add_distractors(batches, plan.seed + place)
        found.append(replace(half, distractors=numbers))
    return found


def _measure(
    catalogue: Catalogue,
    halves: Sequence[Half],
    present: int,
    plan: Plan,
    progress: Callable[[str], object],
) -> CatalogueFigures:
    recordings = [each for half in halves for each in half.recordings]
    sizes = catalogue.sizes()
    progress(f"{sizes.documents:,} fingerprints: recall by kind")
    kinds = measure_kinds(catalogue, recordings)
    progress("recall by length")
    lengths = measure_lengths(catalogue, recordings, plan.seed)
    progress("CPU time")
    costs = measure_searches(catalogue, recordings)
    progress("false matches")
    false_matches, pieces = measure_false_matches(catalogue, halves, plan.pieces, plan.seed)
    return CatalogueFigures(present, sizes, kinds, lengths, false_matches, pieces, costs)


def _as_json(figures: CatalogueFigures) -> dict[str, Any]:
    found = asdict(figures)
    # The curve has what the documents show of thousands of numbers.
    del found["pieces"]["expected"]
    found["pieces"]["curve"] = dict(zip(THRESHOLDS, figures.curve(), strict=True))
    return found
