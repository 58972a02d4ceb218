"""No argument of an administration command ends in a traceback."""

from collections.abc import Iterator
from uuid import UUID

import click
import pytest

from cli.main import main
from tests.support.clients.admin_commands import Run

COMMAND = main
NAMES = ("keys", "accounts", "tracks", "edits", "submissions", "maintenance")
UNUSUAL = ("9" * 5000, "9" * 4000, "9" * 20, str(2**31), "-1", "²", "", " ", "1_0", "a\nb")
REFUSED = ("\udcff", "a\0b")  # a byte that is not UTF-8, as Python decodes arguments
REQUIRED = {"edit_id": "1", "fingerprint_id": "1", "text_id": "1", "mbid": str(UUID(int=1))}
OTHERS = {"keys limit": ["--default"], "maintenance": ["on"], "accounts delete": ["--yes"]}


@pytest.fixture(autouse=True)
def no_maintenance(run: Run) -> Iterator[None]:
    """End the maintenance that a test begins; other tests use the same databases."""
    yield
    assert run("maintenance", "off").exit_code == 0


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(main)
    for name in NAMES:
        command = main.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {each}", sub) for each, sub in command.commands.items())
        else:
            yield name, command


def lines_with(name: str, command: click.Command, tested: click.Parameter, value: str) -> list[str]:
    """Return a command line with a value for one parameter, and only the other required ones."""
    options, arguments = [], []
    for each in command.params:
        if each is not tested and not each.required:
            continue
        given = value if each is tested else REQUIRED.get(each.name or "", "1")
        if isinstance(each, click.Option):
            options.append(f"{each.opts[0]}={given}")
        else:
            arguments.append(given)
    others = [] if tested.name == "action" else OTHERS.get(name, [])
    return [*name.split(), *options, *others, "--", *arguments]


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_an_unusual_argument_gets_a_text(run: Run, name: str, command: click.Command) -> None:
    """A text that the databases cannot store is refused before the command runs."""
    for tested in command.params:
        is_flag = isinstance(tested, click.Option) and tested.is_flag
        if is_flag or tested.name == "data_dir":
            continue
        for value in (*UNUSUAL, *REFUSED):
            answer = run(*lines_with(name, command, tested, value))
            shown = f"{tested.name}={value[:30]!r}: {answer.exception!r} {answer.output[:300]}"
            assert answer.exception is None or isinstance(answer.exception, SystemExit), shown
            assert "psycopg" not in answer.output, shown
            if value in REFUSED:
                assert answer.exit_code == 2, shown
