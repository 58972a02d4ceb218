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
        "up": "cli.commands.service.up:up",
        "serve": "cli.commands.service.serve:serve",
        "down": "cli.commands.service.down:down",
        "restart": "cli.commands.service.restart:restart",
        "status": "cli.commands.service.status:status",
        "config": "cli.commands.service.config:config",
        "migrate": "cli.commands.service.migrate:migrate",
        "sample": "cli.commands.admin.sample:sample",
        "lookup": "cli.commands.client.lookup:lookup",
        "submit": "cli.commands.client.submit:submit",
        "identify": "cli.commands.client.identify:identify",
        "submissions": "cli.commands.admin.submissions:submissions",
        "keys": "cli.commands.admin.keys:keys",
        "index": "cli.commands.admin.index:index",
        "store": "cli.commands.admin.store:store",
        "tracks": "cli.commands.admin.tracks:tracks",
        "musicbrainz": "cli.commands.admin.musicbrainz:musicbrainz",
        "bench": "bench.command:bench",
        "ready": "cli.commands.service.status:ready",
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
