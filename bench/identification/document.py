"""Writes the tables of an evaluation as Markdown, and into a document between markers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.identification.cost import bytes_per_recording
from bench.identification.evaluation import CatalogueFigures, Evaluation
from bench.identification.leave_out import FalseMatches
from cli.errors import StackError
from pipeline.excerpts.significance import MAX_FALSE_MATCHES

NONE: Final = "none"

TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "run": "Run",
        "kinds": "Recall and position by kind",
        "lengths": "Recall by length",
        "false-matches": "False matches",
        "size": "Bytes per fingerprint",
        "cost": "CPU time of a search, ms",
    }
)
"""The title of each table by its name in the document's markers."""


def tables(evaluation: Evaluation) -> dict[str, str]:
    """Return the tables of an evaluation as Markdown, by the names of `TITLES`."""
    found = (
        _run(evaluation),
        _kinds(evaluation.catalogues),
        _lengths(evaluation.catalogues[-1]),
        _false_matches(evaluation.catalogues),
        _size(evaluation.catalogues),
        _cost(evaluation.catalogues),
    )
    return dict(zip(TITLES, found, strict=True))


def as_text(found: Mapping[str, str]) -> str:
    """Return tables with their titles."""
    return "\n\n".join(f"{TITLES[name]}\n\n{table}" for name, table in found.items())


def replace_tables(path: Path, found: Mapping[str, str]) -> None:
    """Replace the text between the markers of each table in a document.

    Raises:
        StackError: the document cannot be read or written, or lacks the markers of a table.
    """
    try:
        text = path.read_text(encoding="utf-8")
        for name, table in found.items():
            text = _replaced(text, name, table, path)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StackError(f"{path}: {error.strerror}") from error


def read_tables(path: Path) -> dict[str, str]:
    """Return the tables of a document by name. A table without markers is missing."""
    text = path.read_text(encoding="utf-8")
    found = {name: _markers(name).search(text) for name in TITLES}
    return {name: match[2].strip() for name, match in found.items() if match}


def _markers(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- evaluate: {name} -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def _replaced(text: str, name: str, table: str, path: Path) -> str:
    replaced, count = _markers(name).subn(lambda match: f"{match[1]}\n{table}\n\n{match[3]}", text)
    if count != 1:
        raise StackError(f"{path} must have the line <!-- evaluate: {name} --> once")
    return replaced


def _run(evaluation: Evaluation) -> str:
    plan = evaluation.plan
    return _table(
        ("recordings", "sketch rate", "distractors", "seed", "accepted expected false matches"),
        [
            (
                f"{evaluation.recordings:,}",
                str(plan.rate),
                f"{plan.distractors:,}",
                str(plan.seed),
                f"{MAX_FALSE_MATCHES:g}",
            )
        ],
    )


def _kinds(catalogues: Sequence[CatalogueFigures]) -> str:
    last = catalogues[-1]
    names = ["new" if not each.distractors else f"new, {each.distractors:,}" for each in catalogues]
    head = (
        *("kind", "queries", "public", *names),
        *("wrong", "places", "median, s", "95 %, s", "within 0.5 s"),
        *("false, public", "false, new"),
    )
    rows = []
    for kind, figures in last.kinds.items():
        both = figures.both
        rows.append(
            (
                f"`{kind}`",
                f"{both.queries:,}",
                _share(figures.public.recall),
                *(_share(each.kinds[kind].both.recall) for each in catalogues),
                str(both.wrong),
                f"{both.places:,}",
                _decimal(both.median_error),
                _decimal(both.error_95),
                _share(both.near),
                *_false(last.false_matches.get(kind)),
            )
        )
    return _table(head, rows)


def _lengths(figures: CatalogueFigures) -> str:
    seconds = sorted({each for found in figures.lengths.values() for each in found})
    rows = [
        (f"`{kind}`", *(_share(found.get(each)) for each in seconds))
        for kind, found in figures.lengths.items()
    ]
    return _table(("cut from", *(f"{each} s" for each in seconds)), rows)


def _false_matches(catalogues: Sequence[CatalogueFigures]) -> str:
    rows = []
    for each in catalogues:
        pieces, variants = each.pieces, each.false_matches.values()
        rows.append(
            (
                f"{each.sizes.documents:,}",
                f"{pieces.recordings:,}",
                f"{pieces.pieces:,}",
                f"{pieces.matches:,}",
                _power(min(pieces.expected, default=0.0)),
                f"{sum(found.queries for found in variants):,}",
                f"{sum(found.public for found in variants):,}",
                f"{sum(found.both for found in variants):,}",
            )
        )
    head = (
        *("fingerprints", "recordings", "pieces", "false matches of pieces", "least expected"),
        *("variants", "false, public", "false, new"),
    )
    return _table(head, rows)


def _size(catalogues: Sequence[CatalogueFigures]) -> str:
    rows = []
    for each in catalogues:
        public, sketch = bytes_per_recording(each.sizes)
        figures = (f"{public:,.0f}", f"{sketch:,.0f}", f"{public + sketch:,.0f}")
        rows.append((f"{each.sizes.documents:,}", *figures))
    return _table(("fingerprints", "public index", "sketch index", "both"), rows)


def _cost(catalogues: Sequence[CatalogueFigures]) -> str:
    head = ["kind", "searches"]
    for each in catalogues:
        head += [f"{each.sizes.documents:,}: alone", "in batches"]
    rows = []
    for kind, cost in catalogues[-1].costs.items():
        row = [f"`{kind}`", str(cost.searches)]
        for each in catalogues:
            row += [f"{each.costs[kind].alone_ms:.2f}", f"{each.costs[kind].batch_ms:.2f}"]
        rows.append(row)
    return _table(head, rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _false(found: FalseMatches | None) -> tuple[str, str]:
    return (NONE, NONE) if found is None else (str(found.public), str(found.both))


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _decimal(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _power(value: float) -> str:
    return f"10^{value:.1f}"
