"""The summary of a run: a table by kind of fault, and a JSON file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.torture.campaign import FaultReport


@dataclass
class RunReport:
    """The outcome of a run.

    Attributes:
        seed: its seed.
        faults: the outcomes of all faults.
        differences: what the reconciliation found, by stack.
        counts: numbers of requests, submissions and receipts.
        problems: what else went wrong.
        left_out: kinds of faults that could not be used, with the reason.
    """

    seed: int
    faults: list[FaultReport] = field(default_factory=list)
    differences: dict[int, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether nothing broke the promise."""
        return not (
            self.problems
            or any(self.differences.values())
            or any(each.failures for each in self.faults)
        )

    def rows(self) -> list[list[str]]:
        """Return the rows of the table: one for each kind, and the total."""
        kinds = sorted({each.kind for each in self.faults})
        rows = [_row(kind, [each for each in self.faults if each.kind == kind]) for kind in kinds]
        return [*rows, _row("all", self.faults)]

    def text(self) -> str:
        """Return the summary as text."""
        lines = [_table(self.rows()), ""]
        lines += [f"{name}: {count}" for name, count in sorted(self.counts.items())]
        for name, reason in self.left_out.items():
            lines.append(f"left out: {name}: {reason}")
        for fault in self.faults:
            where = f"stack {fault.stack} fault {fault.number}, {fault.text}"
            lines += [f"FAILED: {where}: {each}" for each in fault.failures[:5]]
        for stack, found in self.differences.items():
            lines += [f"FAILED: stack {stack}: {each}" for each in found[:20]]
        lines += [f"FAILED: {each}" for each in self.problems]
        verdict = "all good" if self.is_good else "FAILED"
        return "\n".join([*lines, f"seed {self.seed}: {verdict}"])

    def write(self, path: Path) -> None:
        """Write the whole outcome as JSON."""
        found: dict[str, Any] = {**asdict(self), "is_good": self.is_good}
        path.write_text(json.dumps(found, indent=1) + "\n")


HEADER = ("fault", "times", "to lookups", "to final", "503", "failures")


def _row(kind: str, faults: Sequence[FaultReport]) -> list[str]:
    return [
        kind,
        str(len(faults)),
        _worst([each.to_lookups for each in faults]),
        _worst([each.to_final for each in faults]),
        str(sum(each.refused for each in faults)),
        str(sum(len(each.failures) for each in faults)),
    ]


def _worst(times: Sequence[float | None]) -> str:
    known = [each for each in times if each is not None]
    if len(known) < len(times):
        return "never"
    return f"{max(known, default=0.0):.1f} s"


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in [HEADER, *rows]) for column in range(len(HEADER))]
    lines = []
    for row in [HEADER, *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines)
