"""The messages and the exit status of a command on many files."""

from dataclasses import dataclass
from pathlib import Path

from cli.commands.client.messages import tell
from cli.errors import exit_if_refused
from cli.printable import printable_path


@dataclass(slots=True)
class FileReport:
    """Counts the files of a command, and names those that failed on standard error.

    Attributes:
        done: number of files without an error.
        refused: number of files and directories with an error.
    """

    done: int = 0
    refused: int = 0

    def refuse(self, path: Path, reason: str) -> None:
        """Count a file or a directory, and name it with the reason on standard error."""
        self.refused += 1
        self.note(path, reason)

    def note(self, path: Path, text: str) -> None:
        """Print a message about a file, which is not an error, to standard error."""
        tell(f"{printable_path(path)}: {text}")

    def exit_if_refused(self) -> None:
        """End the command if a file was refused.

        Raises:
            StackError: no file was done.
            click.exceptions.Exit: some were done; with `ExitStatus.PARTIAL`.
        """
        exit_if_refused(self.done, self.refused, "no file could be identified")
