"""``acoustid index serve``: the index server."""

from collections.abc import Sequence
from pathlib import Path

import click

from cli.errors import StackError
from cli.stack.servers.ports import require, web_address
from index_server.errors import InvalidIndexNameError
from index_server.registry import check_name
from index_server.server import DirectoryInUseError, IndexServerOptions, exclusive
from index_server.server import serve as serve_indexes
from pipeline.settings.sections import LoggingSettings

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
PORTS = click.IntRange(0, 65535)


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the indexes live; nobody else may use it.  [default: here]",
)
@click.option("--host", "--address", default="127.0.0.1", show_default=True, help="To listen on.")
@click.option(
    "--port", type=PORTS, default=6081, show_default=True, help="For HTTP; 0 for any free one."
)
@click.option(
    "--legacy-port",
    "line_protocol_port",
    type=PORTS,
    default=0,
    show_default=True,
    help="For the older line protocol; 0 for none.",
)
@click.option(
    "--legacy-index-name",
    "--legacy-index",
    "line_protocol_index",
    default="main",
    show_default=True,
    help="The index that the line protocol serves; it is created if there is none.",
)
@click.option(
    "--load-concurrency",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="IndexRegistry to open at a time when starting; 0 for all.",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="INFO",
    show_default=True,
    help="What is worth a line of the log.",
)
@click.pass_context
def serve(  # noqa: PLR0913 - each is an option
    context: click.Context,
    *,
    directory: Path,
    host: str,
    port: int,
    line_protocol_port: int,
    line_protocol_index: str,
    load_concurrency: int,
    log_level: str,
) -> None:
    """Serve named indexes over fpindex's HTTP API, in JSON and MessagePack.

    Options that mean nothing here are named and ignored. SIGTERM and SIGINT stop it.
    """
    _warn_of(context.args)
    _check_index_name(line_protocol_index)
    try:
        with exclusive(directory):
            options = IndexServerOptions(
                directory=directory,
                host=host,
                port=require(port, host, "--port"),
                line_protocol_port=line_protocol_port
                and require(line_protocol_port, host, "--legacy-port"),
                line_protocol_index=line_protocol_index,
                load_concurrency=load_concurrency,
                logging=LoggingSettings.model_validate({"level": log_level}),
            )
            click.echo(f"index server: {web_address(host, options.port)}")
            serve_indexes(options)
    except DirectoryInUseError as error:
        raise StackError(str(error)) from error
    except OSError as error:
        raise StackError(f"{directory} cannot be used: {error.strerror}") from error


def _warn_of(unknown: Sequence[str]) -> None:
    """Name the options that are ignored, not their values."""
    for word in unknown:
        if word.startswith("-"):
            click.echo(f"warning: {word.partition('=')[0]} means nothing here", err=True)


def _check_index_name(name: str) -> None:
    try:
        check_name(name)
    except InvalidIndexNameError:
        raise click.BadParameter(
            "an index's name is 1 to 255 of A-Z a-z 0-9 _ -", param_hint="--legacy-index-name"
        ) from None
