"""``acoustid ingest dead-letters``: lists refused messages, and publishes them again."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.argument_checks import LARGEST, CheckedGroup
from cli.commands.client.messages import counted, print_result, progress_bar, tell_refused
from cli.commands.ingest.nats_servers import require_servers
from cli.commands.keys.key_lists import masked
from cli.errors import StackError, exit_if_refused
from cli.list_options import json_option, limit_option
from cli.stack import data_directory
from cli.stack.selection import choose_stack
from cli.text_table import aligned, show_value

if TYPE_CHECKING:
    from nats_bridge.dead_letter_list import DeadLetter, DeadLetters
    from pipeline.settings.sections import NatsSettings

COLUMNS: Final = ("sequence", "time", "code", "client", "size", "reason")

TABLE_ROWS: Final = 1000
"""Number of rows below which the names of the columns are repeated."""

code_option = click.option(
    "--code", type=click.IntRange(0, LARGEST), metavar="N", help="Only those with this code."
)


class OutputError(Exception):
    """Standard output failed, not the connection to NATS."""


@click.group("dead-letters", cls=CheckedGroup)
def dead_letters() -> None:
    """List messages that were refused, and publish them again.

    A refused message is in the stream of the subject `[nats] dead_letter`.
    """


@dead_letters.command("list")
@code_option
@limit_option(100, "dead letters")
@json_option
@data_directory.option
def list_letters(*, data_dir: Path, code: int | None, limit: int, as_json: bool) -> None:
    """List dead letters, oldest first. Keys are masked.

    The size is that of the body, in bytes.
    """
    settings = _settings(data_dir)

    _with_letters(settings, lambda letters: _print(letters, code, limit, as_json=as_json))


@dead_letters.command()
@click.argument("sequences", metavar="[SEQUENCE]...", nargs=-1, type=click.IntRange(min=1))
@click.option("--code", type=click.IntRange(0, LARGEST), metavar="N", help="All with this code.")
@click.option("--all", "every", is_flag=True, help="All dead letters.")
@data_directory.option
def requeue(*, data_dir: Path, sequences: tuple[int, ...], code: int | None, every: bool) -> None:
    """Publish messages again that were refused, and delete their dead letters.

    Choose them by SEQUENCE, as `list` prints it, by --code, or with --all. Correct the reason
    first: a message that is refused again becomes a new dead letter. Dead letters that arrive
    meanwhile are left. After an interruption, run the command again: no message is imported twice.
    """
    if sum((bool(sequences), code is not None, every)) != 1:
        raise click.UsageError("give either sequences, --code or --all")
    settings = _settings(data_dir)
    done, refused = 0, 0

    async def run(letters: "DeadLetters") -> None:
        nonlocal done, refused
        from nats_bridge.dead_letter_list import RequeueError  # noqa: PLC0415 - slow

        await letters.check_requeue()
        chosen = _named(letters, sequences) if sequences else _found(letters, code)
        with progress_bar("messages", leave=False) as bar:
            async for sequence, letter in chosen:
                bar.update()
                if letter is None:
                    refused += 1
                    tell_refused(str(sequence), "there is no such dead letter")
                    continue
                try:
                    await letters.requeue(letter)
                except RequeueError as error:
                    refused += 1
                    tell_refused(str(sequence), str(error))
                else:
                    done += 1

    try:
        _with_letters(settings, run)
    except StackError as error:
        if not done:
            raise
        raise StackError(
            f"{counted(done, 'messages')} published again, and then: {error.message}. Run the "
            "command again"
        ) from error
    print_result(f"{counted(done, 'messages')} published again")
    exit_if_refused(done, refused, "no message was published again")


async def _print(letters: "DeadLetters", code: int | None, limit: int, *, as_json: bool) -> None:
    """Print dead letters while they are read, so that memory does not grow with their number."""
    rows: list[list[str]] = []
    number = 0
    async for each in _selected(letters, code):
        if number == limit:
            break
        number += 1
        if as_json:
            text = json.dumps(_described(each), indent=2).replace("\n", "\n  ")
            _print_text(("[\n  " if number == 1 else ",\n  ") + text)
            continue
        rows.append(_cells(each))
        if len(rows) == TABLE_ROWS:
            _print_table(rows)
            rows.clear()
    if as_json:
        _print_text("\n]\n" if number else "[]\n")
        return
    if rows or not number:
        _print_table(rows)
    click.echo(f"{number} of {counted(letters.count, 'dead letters')}", err=True)


def _print_table(rows: list[list[str]]) -> None:
    for line in aligned([list(COLUMNS), *rows], right=(0, 4)):
        _print_text(f"{line}\n")


def _print_text(text: str) -> None:
    """Print a text to standard output.

    Raises:
        OutputError: this is not possible. The cause tells why.
    """
    try:
        click.echo(text, nl=False)
    except OSError as error:
        raise OutputError from error


async def _named(
    letters: "DeadLetters", sequences: tuple[int, ...]
) -> AsyncIterator[tuple[int, "DeadLetter | None"]]:
    for sequence in dict.fromkeys(sequences):
        yield sequence, await letters.find(sequence)


async def _found(
    letters: "DeadLetters", code: int | None
) -> AsyncIterator[tuple[int, "DeadLetter | None"]]:
    async for each in _selected(letters, code):
        yield each.sequence, each


async def _selected(letters: "DeadLetters", code: int | None) -> AsyncIterator["DeadLetter"]:
    async for each in letters.all():
        if code is None or each.code == code:
            yield each


def _settings(data_dir: Path) -> "NatsSettings":
    settings = choose_stack(data_dir).settings().nats
    require_servers(settings)
    return settings


def _with_letters(
    settings: "NatsSettings", run: Callable[["DeadLetters"], Awaitable[None]]
) -> None:
    """Call a coroutine with the dead letters.

    Raises:
        StackError: NATS is away, or has no dead letters.
    """
    from nats_bridge.dead_letter_list import DeadLetters  # noqa: PLC0415
    from nats_bridge.link.connection import connect_once  # noqa: PLC0415 - slow

    async def main() -> None:
        client = await connect_once(settings, name="acoustid ingest dead-letters")
        try:
            await run(await DeadLetters.open(client, settings))
        finally:
            await client.close()

    with _explained():
        asyncio.run(main())


@contextmanager
def _explained() -> Iterator[None]:
    """Turn errors of NATS into errors of the command."""
    from nats import errors  # noqa: PLC0415 - slow

    from nats_bridge.link.link_errors import LinkError, explain_link  # noqa: PLC0415
    from nats_bridge.streams.preparation import SetupError  # noqa: PLC0415

    try:
        yield
    except OutputError as error:
        raise error.__cause__ or error from None
    except (LinkError, SetupError) as error:
        raise StackError(str(error)) from error
    except (errors.Error, OSError) as error:
        raise StackError(f"NATS: {explain_link(error)}") from error


def _described(letter: "DeadLetter") -> dict[str, Any]:
    return {
        "sequence": letter.sequence,
        "time": letter.time.isoformat(),
        "code": letter.code,
        "reason": letter.reason,
        "client": masked(letter.client) if letter.client else None,
        "size": len(letter.body),
        "cut": letter.is_cut,
    }


def _cells(letter: "DeadLetter") -> list[str]:
    row = _described(letter)
    row["time"] = letter.time
    return [show_value(row[name]) for name in COLUMNS]
