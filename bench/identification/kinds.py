"""Recall and position error by kind of degradation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.identification.algorithms import Answer, Query, ask_both, ask_public
from bench.identification.catalogue import Catalogue
from bench.identification.metrics import Outcome, Summary, judge, summarize
from bench.identification.recordings import Recording, Variant, same_music


@dataclass(frozen=True, slots=True)
class KindFigures:
    """The figures of one kind of degradation.

    Attributes:
        public: the answers of the public algorithm.
        both: the answers with the search for excerpts: alone for excerpts, else as second chance.
    """

    public: Summary
    both: Summary


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A variant with the answers to it."""

    recording: Recording
    variant: Variant
    public: Answer
    both: Answer


def query_of(variant: Variant) -> Query:
    """Return a variant as a query."""
    return Query(variant.words, variant.duration, variant.is_excerpt)


def ask(catalogue: Catalogue, recordings: Sequence[Recording]) -> list[Asked]:
    """Identify all variants of some recordings by both algorithms."""
    pairs = [(recording, variant) for recording in recordings for variant in recording.variants]
    queries = [query_of(variant) for _, variant in pairs]
    public = ask_public(catalogue, queries)
    both = ask_both(catalogue, queries, public)
    return [
        Asked(recording, variant, *answers)
        for (recording, variant), *answers in zip(pairs, public, both, strict=True)
    ]


def measure_kinds(
    catalogue: Catalogue, recordings: Sequence[Recording]
) -> Mapping[str, KindFigures]:
    """Return the figures of each kind of variant, in the order of the data.

    Args:
        catalogue: a catalogue with all recordings.
        recordings: the recordings whose variants are identified.
    """
    outcomes: dict[str, tuple[list[Outcome], list[Outcome]]] = {}
    for each in ask(catalogue, recordings):
        judged = outcomes.setdefault(each.variant.kind, ([], []))
        for answer, found in zip((each.public, each.both), judged, strict=True):
            found.append(
                judge(
                    answer,
                    catalogue.number(each.recording.id),
                    catalogue.numbers(same_music(each.recording.id)),
                    each.variant.place,
                )
            )
    return {
        kind: KindFigures(summarize(public), summarize(both))
        for kind, (public, both) in outcomes.items()
    }
