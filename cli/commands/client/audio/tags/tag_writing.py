"""Shows the changes of tags that ``acoustid identify`` has found, asks, and writes them."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import click

from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.file_report import FileReport
from cli.commands.client.audio.identification import Identified
from cli.commands.client.audio.tags.tag_changes import TagChange, plan_changes, write_changes
from cli.commands.client.audio.tags.tag_choice import MIN_SCORE, NoChoiceError, choose_tags
from cli.commands.client.messages import counted
from cli.printable import printable_path


@dataclass(frozen=True, slots=True)
class TagOptions:
    """The options of the command that concern tags.

    Attributes:
        dry_run: whether changes are only shown.
        yes: whether they are written without a question.
        replace: whether tags that have a value are replaced.
        min_score: the lowest score of a result whose names are written.
    """

    dry_run: bool
    yes: bool
    replace: bool
    min_score: float

    def check(self, *, write: bool) -> None:
        """Check that the options fit together, before any file is read.

        Args:
            write: whether ``--write-tags`` was given.

        Raises:
            click.UsageError: an option has no effect, or no terminal can confirm the changes.
        """
        if not write:
            if self.dry_run or self.yes or self.replace:
                raise click.UsageError("--dry-run, --yes and --replace need --write-tags")
        elif not (self.dry_run or self.yes or is_terminal()):
            raise click.UsageError(
                "standard input is not a terminal, so nobody can confirm the changes: give --yes "
                "to write them without a question, or --dry-run to show them"
            )


def is_terminal() -> bool:
    """Return whether a user at a terminal can answer a question."""
    return sys.stdin.isatty()


def tag_options(function: click.decorators.FC) -> click.decorators.FC:
    """Add the options of `TagOptions`, and ``--write-tags``, to a command."""
    for decorate in reversed(
        (
            click.option(
                "--write-tags",
                is_flag=True,
                help="Show the changes of tags, ask once, and write them to the files.",
            ),
            click.option("--dry-run", is_flag=True, help="Only show the changes of tags."),
            click.option("--yes", is_flag=True, help="Write tags without a question."),
            click.option("--replace", is_flag=True, help="Replace tags that have another value."),
            click.option(
                "--min-score",
                type=click.FloatRange(0, 1),
                default=MIN_SCORE,
                show_default=True,
                help="Lowest score of a result whose names are written as tags.",
            ),
        )
    ):
        function = decorate(function)
    return function


@dataclass(slots=True)
class TagWriter:
    """Collects the changes of the files, and writes them at the end.

    Attributes:
        options: the options of the command.
        report: names the files that are not changed, with the reason.
        to_stderr: whether the changes are printed to standard error.
        planned: the changes of each file that has any.
    """

    options: TagOptions
    report: FileReport
    to_stderr: bool
    planned: list[tuple[Path, list[TagChange]]] = field(default_factory=list)

    def plan(self, file: Identified) -> None:
        """Plan the changes of a file. If there are none, print the reason."""
        try:
            found = choose_tags(file.results, self.options.min_score)
            changes = plan_changes(file.path, found, replace=self.options.replace)
        except NoChoiceError as error:
            self.report.note(file.path, f"no tags are written: {error}")
        except BadFileError as error:
            self.report.refuse(file.path, error.message)
        else:
            if changes:
                self.planned.append((file.path, changes))
            else:
                self.report.note(file.path, "no tags are written: they are up to date")

    def finish(self) -> None:
        """Show the changes, ask, and write them."""
        for path, changes in self.planned:
            self._show(printable_path(path))
            for each in changes:
                self._show(str(each))
        to_write = [
            (path, changes)
            for path, changes in self.planned
            if any(each.is_written for each in changes)
        ]
        if self.options.dry_run:
            self._show(f"{counted(len(to_write), 'files')} would be changed. Nothing was written.")
        elif not to_write or self._is_confirmed(len(to_write)):
            written = sum(self._write(path, changes) for path, changes in to_write)
            was = "was" if written == 1 else "were"
            self._show(f"{counted(written, 'files')} {was} changed.")
        else:
            self._show("Nothing was written.")

    def _is_confirmed(self, count: int) -> bool:
        question = f"Write the tags of {counted(count, 'files')}?"
        return self.options.yes or click.confirm(question, err=True)

    def _write(self, path: Path, changes: list[TagChange]) -> bool:
        try:
            write_changes(path, changes)
        except BadFileError as error:
            self.report.refuse(path, error.message)
            return False
        return True

    def _show(self, text: str) -> None:
        click.echo(text, err=self.to_stderr)
