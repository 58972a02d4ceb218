"""Collects steps until they are enough for one transaction, and checks their entries."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cli.commands.client.entries.entry import InvalidEntryError, Refusal
from cli.commands.data.catalogues.receipts import find_rejections, make_receipts
from cli.commands.data.catalogues.steps import Step
from pipeline.bulk_import.rejects import BadLine
from pipeline.bulk_import.submissions.progress import FileProgress, Submitter
from pipeline.submission_fields import Receipt

MAX_RECEIPTS: Final = 1000
"""Receipts of one transaction; a line with more MBIDs has them all in one."""

MAX_WORDS: Final = 2_000_000
"""Words of the fingerprints of one transaction: 8 MB."""

MAX_STEPS: Final = 5000
"""Steps of one transaction, refused ones included."""


@dataclass(frozen=True, slots=True)
class CheckedStep:
    """A step whose entry was checked alone.

    Attributes:
        step: the step.
        receipts: the receipts of its entry.
        reason: why its entry is refused; None if it is not.
    """

    step: Step
    receipts: Sequence[Receipt] = ()
    reason: str | None = None


def check_step(step: Step, submitter: Submitter) -> CheckedStep:
    """Make the receipts of a step's entry.

    Args:
        step: a step.
        submitter: the application and the account of the receipts.
    """
    if isinstance(step.item, Refusal):
        return CheckedStep(step, reason=step.item.reason)
    if step.item is None:
        return CheckedStep(step)
    try:
        return CheckedStep(step, make_receipts(step.item, submitter))
    except InvalidEntryError as error:
        return CheckedStep(step, reason=str(error))


@dataclass(frozen=True, slots=True)
class Sorted:
    """What one transaction writes, and what it leaves out.

    Attributes:
        receipts: the receipts of the entries that are not refused.
        entries: the number of these entries.
        refused: the refused lines and files.
        files: the progress in each file.
    """

    receipts: list[Receipt]
    entries: int
    refused: list[BadLine]
    files: list[FileProgress]


@dataclass
class Batch:
    """Consecutive steps of an import, for one transaction.

    Attributes:
        lines: the number of lines and files that it covers.
    """

    lines: int = 0
    _steps: list[CheckedStep] = field(default_factory=list)
    _receipts: int = 0
    _words: int = 0

    def add(self, checked: CheckedStep) -> None:
        """Add a step."""
        self._steps.append(checked)
        self._receipts += len(checked.receipts)
        self._words += sum(each.words.size for each in checked.receipts)
        self.lines += checked.step.lines

    def is_full(self) -> bool:
        """Return whether it has enough for one transaction."""
        return (
            self._receipts >= MAX_RECEIPTS
            or self._words >= MAX_WORDS
            or len(self._steps) >= MAX_STEPS
        )

    def sort(self) -> Sorted:
        """Apply the rules of the first stage of an import to all receipts."""
        rejections = iter(find_rejections([each for step in self._steps for each in step.receipts]))
        receipts: list[Receipt] = []
        refused: list[BadLine] = []
        files: dict[str, FileProgress] = {}
        entries = 0
        for checked in self._steps:
            rejected = [next(rejections) for _ in checked.receipts]
            reason = checked.reason or next(filter(None, rejected), None)
            if reason is not None:
                refused.append(_bad_line(checked.step, reason))
                if checked.step.repeats_refused:
                    continue
            elif checked.receipts:
                receipts += checked.receipts
                entries += 1
            files[checked.step.progress.file] = checked.step.progress
        return Sorted(receipts, entries, refused, list(files.values()))


def _bad_line(step: Step, reason: str) -> BadLine:
    content = b"" if step.repeats_refused or step.item is None else step.item.identity
    return BadLine(step.file, step.number, reason, content)
