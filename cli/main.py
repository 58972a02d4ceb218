"""The `acoustid` command.

A subcommand is one module of this package and one line of the table: it is imported when it is
asked for, so that `acoustid down` does not pay for Celery.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

import click

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "up": "cli.up:up",
        "serve": "cli.serve:serve",
        "down": "cli.down:down",
        "restart": "cli.restart:restart",
        "status": "cli.status:status",
        "config": "cli.config:config",
        "migrate": "cli.migrate:migrate",
        "sample": "cli.load_sample:sample",
        "lookup": "cli.lookup:lookup",
        "submit": "cli.submit:submit",
        "identify": "cli.identify:identify",
        "submissions": "cli.submissions:submissions",
        "keys": "cli.keys:keys",
        "index": "cli.index:index",
        "store": "cli.store:store",
        "tracks": "cli.tracks:tracks",
        "musicbrainz": "cli.musicbrainz:musicbrainz",
        "bench": "bench.command:bench",
        "ready": "cli.ready:ready",
    }
)
"""Name of each subcommand to ``module:attribute`` of its click command."""


class LazyGroup(click.Group):
    """A group that imports a subcommand only when it is named.

    Args:
        commands_at: name to ``module:attribute``.
    """

    def __init__(self, *args: object, commands_at: Mapping[str, str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        del ctx
        where = self._commands_at.get(cmd_name)
        if where is None:
            return None
        module, attribute = where.split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.group(cls=LazyGroup, commands_at=COMMANDS)
@click.version_option(package_name="acoustid-pipeline")
def main() -> None:
    """Run and use an AcoustID of your own."""


if __name__ == "__main__":
    main()
