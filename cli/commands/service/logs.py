"""``acoustid logs``: prints and follows the logs of a stack."""

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from cli.argument_checks import CheckedCommand
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.logs.log_reader import SUFFIX, LogLine, LogReader
from cli.stack.selection import NoStackError, choose_own_stack

POLL: Final = 0.2  # seconds
COLOURS: Final = ("cyan", "yellow", "green", "magenta", "blue", "bright_red")


def _complete_role(
    context: click.Context, _parameter: click.Parameter, text: str
) -> list[CompletionItem]:
    names: list[str] = []
    with context.scope(cleanup=False), suppress(StackError):
        names = log_names(_folder(context.params.get("data_dir") or data_directory.DEFAULT))
    return [CompletionItem(each) for each in names if each.startswith(text)]


@click.command(cls=CheckedCommand)
@click.argument("roles", nargs=-1, metavar="[ROLE]...", shell_complete=_complete_role)
@click.option("-f", "--follow", is_flag=True, help="Print new lines until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Maximum number of old lines of each role.",
)
@data_directory.option
def logs(*, roles: tuple[str, ...], follow: bool, lines: int, data_dir: Path) -> None:
    """Print the logs of all roles of a stack, or of each ROLE.

    ROLE is the name of a log, such as api or worker-lookup-1, or its start: lookup is the name of
    all lookup workers. The stack need not run.
    """
    folder = _folder(data_dir)
    names = choose_logs(log_names(folder), roles)
    readers = {each: LogReader(folder / f"{each}{SUFFIX}") for each in names}
    try:
        found = [each for reader in readers.values() for each in reader.last_lines(lines)]
        show = _printer(readers)
        for _, line in sorted(found, key=lambda each: each[0]):
            show(line)
        if follow:
            _follow(folder, roles, readers, show)
    except KeyboardInterrupt:
        if not follow:
            raise


def _follow(
    folder: Path,
    roles: Sequence[str],
    readers: dict[str, LogReader],
    show: Callable[[LogLine], None],
) -> None:
    """Print new lines until an interrupt.

    Args:
        folder: the directory of the logs.
        roles: the roles whose logs are followed; none for all.
        readers: a reader of each log; those of processes that start later are added.
        show: prints a line.
    """
    while True:
        time.sleep(POLL)
        names = log_names(folder)
        chosen = {each for role in roles for each in logs_of(names, role)} if roles else names
        for name in sorted(set(chosen) - readers.keys()):
            readers[name] = LogReader(folder / f"{name}{SUFFIX}")
        for reader in readers.values():
            for line in reader.new_lines():
                show(line)


def _folder(data_dir: Path) -> Path:
    """Return the directory of the logs. A first start that failed has logs and no stack."""
    try:
        data = choose_own_stack(data_dir).directory()
    except NoStackError:
        data = DataDir.at(data_dir)
        if not log_names(data.log("").parent):
            raise
    return data.log("").parent


def log_names(folder: Path) -> list[str]:
    """Return the names of the logs in a directory, in alphabetical order.

    Raises:
        StackError: this user cannot read the directory.
    """
    try:
        # `Path.glob` finds nothing in a directory that it cannot read.
        names = [each.name for each in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise StackError(f"{folder} belongs to another user") from error
    return sorted(each.removesuffix(SUFFIX) for each in names if each.endswith(SUFFIX))


def logs_of(names: Collection[str], role: str) -> list[str]:
    """Return the names of the logs of a role, which is a name or its start."""
    if role in names:
        return [role]
    return [each for each in names if f"{each}-".startswith((f"{role}-", f"worker-{role}-"))]


def choose_logs(names: Collection[str], roles: Sequence[str]) -> list[str]:
    """Return the names of the logs of some roles; of all roles if none is given.

    Raises:
        StackError: there is no log.
        click.BadParameter: a role has no log. The text names those that have one.
    """
    if not names:
        raise StackError("the stack has no logs yet")
    chosen: set[str] = set()
    for role in roles:
        found = logs_of(names, role)
        if not found:
            raise click.BadParameter(f"there is no log {role!r}: the logs are {', '.join(names)}")
        chosen.update(found)
    return sorted(chosen or names)


def _printer(names: Collection[str]) -> Callable[[LogLine], None]:
    """Return the function that prints a line, with its role if there are several.

    Args:
        names: the names of the logs, to which others may be added.
    """
    colours: dict[str, str] = {}

    def show(line: LogLine) -> None:
        if len(names) == 1:
            click.echo(line.text)
            return
        width = max(map(len, names))
        colour = colours.setdefault(line.role, COLOURS[len(colours) % len(COLOURS)])
        click.echo(f"{click.style(f'{line.role:<{width}} |', fg=colour)} {line.text}")

    return show
