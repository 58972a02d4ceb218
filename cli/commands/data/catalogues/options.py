"""The options of `acoustid import` for other catalogues."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.commands.client.audio.parallel_files import jobs_option
from cli.commands.data.catalogues.steps import FORMATS, Format
from pipeline.bulk_import.rejects import OnError

if TYPE_CHECKING:
    from pipeline.settings.sections import Settings

DATA_FILES: Final = "acoustid"
"""The value of `--format` for data files."""


@dataclass(frozen=True, slots=True)
class OtherFormat:
    """The format of another catalogue, with the options that only other catalogues have.

    Attributes:
        kind: the format.
        application: the key of the application of the submissions; None for that of imports.
        user: the key of their account; None for the owner of the application.
        jobs: audio files that are read in parallel.
        full: whether all of each audio file is fingerprinted.
    """

    kind: Format
    application: str | None = field(default=None, repr=False)
    user: str | None = field(default=None, repr=False)
    jobs: int = 1
    full: bool = False

    def run(
        self, source: Path, settings: "Settings", on_error: OnError, rejects: Path | None
    ) -> None:
        """Import a catalogue.

        Raises:
            StackError: see `import_catalogue`.
        """
        from cli.commands.data.catalogues.run import (  # noqa: PLC0415 - loops
            CatalogueOptions,
            import_catalogue,
        )

        options = CatalogueOptions(
            on_error, rejects, self.application, self.user, self.jobs, self.full
        )
        import_catalogue(self.kind, source, settings, options)


def format_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which receives an `OtherFormat` as ``other``.

    It is None for data files.
    """

    @wraps(function)
    def command(
        *,
        form: str,
        application: str | None,
        user: str | None,
        jobs: int,
        full: bool,
        **others: Any,  # noqa: ANN401 - options of the command itself
    ) -> None:
        given = {"--application": application, "--user": user, "--full": full}
        named = [name for name, value in given.items() if value]
        if named and form == DATA_FILES:
            raise click.UsageError(f"{named[0]} is for other catalogues: give --format")
        if full and form != "audio":
            raise click.UsageError("--full is for audio files: give --format audio")
        kind = next((each for each in FORMATS if each == form), None)
        other = OtherFormat(kind, application, user, jobs, full) if kind else None
        function(other=other, **others)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: Final = (
    click.option(
        "--format",
        "form",
        type=click.Choice([DATA_FILES, *FORMATS]),
        default=DATA_FILES,
        show_default=True,
        help="Format: data files of AcoustID, or another catalogue.",
    ),
    click.option(
        "--application",
        metavar="KEY",
        help="Application of another catalogue.  [default: one named `acoustid import`]",
    ),
    click.option(
        "--user",
        metavar="KEY",
        help="Account of another catalogue.  [default: the owner of the application]",
    ),
    click.option(
        "--full", is_flag=True, help="Fingerprint all of each audio file, not its first 120 s."
    ),
    jobs_option,
)
