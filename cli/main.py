"""The `acoustid` command.

A command is one module below `cli.commands` and one line of the table. The module is imported when
the command runs, so `acoustid down` does not load Celery. The help of `acoustid` and of a group of
commands is in `cli.command_help`, so that it imports no command.
"""

import gc
import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from cli.argument_checks import CheckedGroup, short_help
from cli.command_help import COMMAND_HELP, SUBCOMMAND_HELP
from cli.error_messages import TRACEBACK_OPTION, VARIABLE, explained_errors
from cli.terminal import open_missing_streams, prepare_output

SECTIONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "Run the service": {
            "up": "cli.commands.service.up:up",
            "down": "cli.commands.service.down:down",
            "restart": "cli.commands.service.restart:restart",
            "status": "cli.commands.service.status:status",
            "logs": "cli.commands.service.logs:logs",
            "open": "cli.commands.service.open:open_page",
            "serve": "cli.commands.service.serve:serve",
            "ingest": "cli.commands.ingest.ingest:ingest",
            "maintenance": "cli.commands.service.maintenance:maintenance",
            "migrate": "cli.commands.service.migrate:migrate",
            "config": "cli.commands.service.config:config",
            "completion": "cli.commands.service.completion:completion",
            "ready": "cli.commands.service.ready:ready",
        },
        "Use a server": {
            "lookup": "cli.commands.client.lookup:lookup",
            "identify": "cli.commands.client.identify:identify",
            "submit": "cli.commands.client.submit:submit",
        },
        "Administer the data": {
            "keys": "cli.commands.keys.keys:keys",
            "accounts": "cli.commands.keys.accounts:accounts",
            "submissions": "cli.commands.admin.submissions:submissions",
            "tracks": "cli.commands.catalogue.tracks:tracks",
            "edits": "cli.commands.catalogue.edits:edits",
            "index": "cli.commands.admin.index:index",
            "store": "cli.commands.admin.store:store",
            "musicbrainz": "cli.commands.musicbrainz.musicbrainz:musicbrainz",
            "sample": "cli.commands.admin.sample:sample",
        },
        "Move and back up the data": {
            "import": "cli.commands.data.import_files:import_command",
            "export": "cli.commands.data.export:export",
            "backup": "cli.commands.data.backup:backup",
            "restore": "cli.commands.data.restore:restore",
        },
        "Measure": {
            "evaluate": "bench.identification.command:evaluate_command",
            "bench": "bench.command:bench",
        },
    }
)
"""Headings of the help, with the name and the ``module:attribute`` of each command."""

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {name: where for commands in SECTIONS.values() for name, where in commands.items()}
)
"""The ``module:attribute`` of each command by its name."""

PRIVATE_FILES: Final = frozenset(
    {"Run the service", "Administer the data", "Move and back up the data"}
)
"""The headings of commands that write files of the service. Only their owner may read these."""

PUBLIC_FILES: Final = frozenset({"export"})
"""The commands below these headings whose files may be published: the umask of the user applies."""

UMASK: Final = 0o077
"""The umask of those commands, and of the processes that they start."""

HIDDEN: Final = frozenset({"ready"})
"""The commands that are not listed."""


class LazyGroup(click.Group):
    """A group that imports a command when it runs, and lists commands by section.

    Args:
        sections: the ``module:attribute`` of each command, by heading and name.
    """

    def __init__(
        self, *args: object, sections: Mapping[str, Mapping[str, str]], **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._sections = sections

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as in click
        """Run the program with streams that can be used, and so that SIGTERM ends it."""
        _end_at_sigterm_as_process_1()
        open_missing_streams()
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:  # noqa: ANN401 - as in click
        """Parse the options, and print the help or the version.

        Raises:
            StackError: the text cannot be printed.
        """
        with explained_errors(shows_traceback=False):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command. Each error of it becomes one message.

        Raises:
            StackError: the command failed.
            Interrupted: Ctrl-C ended it.
        """
        prepare_output(ctx)
        with explained_errors(shows_traceback=bool(ctx.params.get("traceback"))):
            return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the names of commands and options that start with a text; import no command."""
        # `click.Group.shell_complete` would import each command to find out whether it is hidden.
        options = click.Command.shell_complete(self, ctx, incomplete)
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names if name not in HIDDEN] + options

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the sections."""
        del ctx
        return [name for commands in self._sections.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        for commands in self._sections.values():
            if cmd_name in commands:
                module, attribute = commands[cmd_name].split(":")
                command: click.Command = getattr(_import_without_collections(module), attribute)
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the arguments. A group that only prints its help is not imported."""
        name, *rest = args
        is_private = any(name in self._sections.get(heading, ()) for heading in PRIVATE_FILES)
        if is_private and name not in PUBLIC_FILES:
            ctx.call_on_close(partial(os.umask, os.umask(UMASK)))
        if name in SUBCOMMAND_HELP and (not rest or rest[0] in ctx.help_option_names):
            return name, _listed(name), rest
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their short help, one list for each section."""
        del ctx
        for heading, names in self._sections.items():
            found = [(name, _listed(name)) for name in names if name in COMMAND_HELP]
            with formatter.section(heading):
                formatter.write_dl([(name, short_help(command)) for name, command in found])


def _end_at_sigterm_as_process_1() -> None:
    """Let SIGTERM end process 1 of a container, until the command has a handler of its own.

    Linux discards a signal to process 1 that has no handler, so Docker would wait for its whole
    `stop_grace_period`. The status is that of any other process which SIGTERM ends.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))


def _import_without_collections(name: str) -> ModuleType:
    """Import a module without garbage collections, which take a fifth of the time of a command.

    The objects of modules stay until the end of the process, so later collections leave them out.
    """
    if name in sys.modules or not gc.isenabled():
        return import_module(name)
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _listed(name: str) -> click.Command:
    """Return a command for lists and for the help of a group, with its help only."""
    text = COMMAND_HELP[name]
    if name not in SUBCOMMAND_HELP:
        return click.Command(name, help=text)
    commands = [click.Command(each, help=help_) for each, help_ in SUBCOMMAND_HELP[name].items()]
    return CheckedGroup(name, commands, help=text)


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="acoustid-pipeline")
@click.option(
    TRACEBACK_OPTION, is_flag=True, envvar=VARIABLE, help="Print the traceback of an error too."
)
def main(*, traceback: bool) -> None:
    """Run and use your own AcoustID server."""
    del traceback  # `LazyGroup.invoke` reads it


if __name__ == "__main__":
    main()
