"""``acoustid index serve``: runs the index server."""

from collections.abc import Sequence
from pathlib import Path

import click

from cli.argument_checks import CheckedCommand
from cli.errors import StackError
from cli.stack.running.port_holder import require_port
from cli.stack.servers.ports import web_address
from http_server.start_signals import exit_while_starting
from index_server.errors import InvalidIndexNameError
from index_server.registry import NAME_RULE, check_new_name
from index_server.server import DirectoryInUseError, IndexServerOptions, exclusive
from index_server.server import serve as serve_indexes
from pipeline.settings.paths import full_path
from pipeline.settings.sections import LoggingSettings

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
PORTS = click.IntRange(0, 65535)


@click.command(
    cls=CheckedCommand, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder of the indexes, used by one server only.  [default: the working directory]",
)
@click.option(
    "--host", "--address", default="127.0.0.1", show_default=True, help="Address to listen on."
)
@click.option(
    "--port", type=PORTS, default=6081, show_default=True, help="Port for HTTP, 0 for any free one."
)
@click.option(
    "--legacy-port",
    "line_protocol_port",
    type=PORTS,
    default=0,
    show_default=True,
    help="Port for the older line protocol, 0 to disable it.",
)
@click.option(
    "--legacy-index-name",
    "--legacy-index",
    "line_protocol_index",
    default="main",
    show_default=True,
    help="Index of the line protocol; it is created if it does not exist.",
)
@click.option(
    "--load-concurrency",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Number of indexes to open at the same time at the start, 0 for all.",
)
@click.option(
    "--max-postings",
    type=click.IntRange(min=1),
    help="Let at most N postings of a search find fingerprints. Replies may then be partial.  "
    "[default: no limit, exact]",
    metavar="N",
)
@click.option(
    "--serve-damaged",
    is_flag=True,
    help="Search the intact files of a damaged index, without updates: fingerprints are missing, "
    "and deleted or replaced ones may be found. Without this option a damaged index is refused; "
    "the other indexes are served in any case.",
)
@click.option(
    "--checkpoint-threshold",
    "--checkpoint-age-ms",
    expose_value=False,
    is_flag=False,
    flag_value="",
    help="Options of fpindex, without effect here: each update is in a file before it is "
    "acknowledged. Any --checkpoint-* is accepted.",
    metavar="N",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="INFO",
    show_default=True,
    help="Lowest level of log messages.",
)
@click.pass_context
def serve(  # noqa: PLR0913 - one argument per option
    context: click.Context,
    *,
    directory: Path,
    host: str,
    port: int,
    line_protocol_port: int,
    line_protocol_index: str,
    load_concurrency: int,
    max_postings: int | None,
    serve_damaged: bool,
    log_level: str,
) -> None:
    """Serve named indexes over fpindex's HTTP API.

    Bodies are JSON or MessagePack. Unknown options are ignored with a warning. SIGTERM and SIGINT
    stop the server.
    """
    exit_while_starting()
    _warn_of(context.args)
    _check_index_name(line_protocol_index)
    try:
        with exclusive(directory):
            options = IndexServerOptions(
                directory=directory,
                host=host,
                port=require_port(port, host, "--port"),
                line_protocol_port=line_protocol_port
                and require_port(line_protocol_port, host, "--legacy-port"),
                line_protocol_index=line_protocol_index,
                load_concurrency=load_concurrency,
                max_postings=max_postings,
                serve_damaged=serve_damaged,
                logging=LoggingSettings.model_validate({"level": log_level}),
            )
            address = web_address(host, options.port)
            click.echo(f"index server: {address}, indexes in {full_path(directory)}")
            serve_indexes(options)
    except DirectoryInUseError as error:
        raise StackError(str(error)) from error
    except OSError as error:
        raise StackError(f"{directory} cannot be used: {error.strerror}") from error


def _warn_of(unknown: Sequence[str]) -> None:
    """Print the names of ignored options, without their values.

    fpindex's options about checkpoints are for updates that are only in memory. Here no updates are
    only in memory, so these options are not needed.
    """
    for word in unknown:
        if word.startswith("-") and not word.startswith("--checkpoint-"):
            click.echo(f"warning: {word.partition('=')[0]} is not supported and ignored", err=True)


def _check_index_name(name: str) -> None:
    try:
        check_new_name(name)
    except InvalidIndexNameError:
        raise click.BadParameter(NAME_RULE, param_hint="--legacy-index-name") from None
