"""``acoustid open``: prints or opens the addresses of a running stack."""

import sys
import webbrowser
from pathlib import Path
from typing import Final

import click

from cli.argument_checks import CheckedCommand
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.run_state import RunState
from cli.stack.selection import choose_own_stack, front_end_address
from cli.stack.servers.ports import web_address

PAGES: Final = ("api", "docs", "flower")


@click.command("open", cls=CheckedCommand)
@click.argument("page", type=click.Choice(PAGES), required=False)
@click.option(
    "--browser", is_flag=True, help="Open the page in a browser; by default the documentation."
)
@data_directory.option
def open_page(*, page: str | None, browser: bool, data_dir: Path) -> None:
    """Print the addresses of the API, its documentation and Flower, or one of them."""
    found = addresses(choose_own_stack(data_dir).running())
    if page is not None and page not in found:
        raise StackError(f"the stack runs without {page}")
    if page is not None:
        click.echo(found[page])
    else:
        click.echo("\n".join(describe(found)))
    if browser:
        _open(found[page or "docs"])


def addresses(state: RunState) -> dict[str, str]:
    """Return the addresses of the pages of a stack, without those that it does not serve.

    Raises:
        NoStackError: the front end is not started yet.
    """
    from api.openapi.page import DOCS  # noqa: PLC0415 - the import is slow

    address = front_end_address(state)
    flower = state.find("flower")
    found = {"api": address, "docs": f"{address}{DOCS}"}
    if flower is not None and flower.port is not None:
        found["flower"] = web_address(flower.host, flower.port)
    return found


def describe(found: dict[str, str]) -> list[str]:
    """Return one line for each page."""
    from tasks.flower.password_file import USER  # noqa: PLC0415 - imports the package `tasks`

    command = "acoustid status --json --show-passwords"
    notes = {"flower": f"  (user {USER}; `{command}` prints the password)"}
    titles = {"api": "API", "docs": "Docs", "flower": "Flower"}
    return [f"{titles[name]:<7} {url}{notes.get(name, '')}" for name, url in found.items()]


def _open(url: str) -> None:
    """Open an address in a browser. Without a terminal or a browser, print that none was opened."""
    is_opened = False
    if sys.stdout.isatty():
        try:
            is_opened = webbrowser.open(url)
        except webbrowser.Error:
            is_opened = False
    if not is_opened:
        click.echo("no browser was opened: there is no terminal or no browser", err=True)
