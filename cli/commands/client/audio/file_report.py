"""The messages, the progress bar and the exit status of a command on many files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from tqdm import tqdm

from cli.commands.client.messages import printable, tell
from cli.exit_status import ExitStatus


class FileReport:
    """Counts the files of a command, and names those that failed on standard error.

    Use it as a context manager: its end removes the progress bar.

    Attributes:
        done: number of files without an error.
        refused: number of files and directories with an error.
    """

    def __init__(self) -> None:
        self.done = 0
        self.refused = 0
        self._bar: tqdm[NoReturn] | None = None

    def start(self, total: int) -> None:
        """Show a progress bar if standard error is a terminal.

        Args:
            total: number of files.
        """
        self._bar = tqdm(total=total, unit=" files", disable=None, leave=False)

    def advance(self, *, done: bool) -> None:
        """Count a file in the progress bar, and as done if nothing has failed."""
        self.done += done
        if self._bar is not None:
            self._bar.update()

    def refuse(self, path: Path, reason: str) -> None:
        """Name a file or a directory and the reason on standard error."""
        self.refused += 1
        self.note(path, reason)

    def note(self, path: Path, text: str) -> None:
        """Print a message about a file, which is not an error, to standard error."""
        tell(f"{printable(path)}: {text}")

    @contextmanager
    def printing(self) -> Iterator[None]:
        """Hide the progress bar while the caller prints."""
        with tqdm.external_write_mode():
            yield

    def status(self) -> ExitStatus:
        """Return the exit status of the command."""
        if not self.refused:
            return ExitStatus.OK
        return ExitStatus.PARTIAL if self.done else ExitStatus.FAILED

    def __enter__(self) -> "FileReport":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
