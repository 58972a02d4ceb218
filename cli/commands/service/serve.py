"""``acoustid serve``: runs one front-end process."""

import os
import socket

import click

from cli.errors import StackError
from cli.stack.running.port_holder import require_port
from cli.stack.servers import ports
from http_server.start_signals import exit_while_starting


@click.command()
@click.option("--host", default=ports.LOOPBACK, show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5000,
    show_default=True,
    help="Port to listen on, 0 for any free one.",
)
@click.option(
    "--fd",
    type=click.IntRange(0),
    help="File descriptor of a listening socket, in place of --host and --port.",
)
@click.option(
    "--ready-fd",
    type=click.IntRange(0),
    help="File descriptor to write a line to when the server is ready.",
)
def serve(*, host: str, port: int, fd: int | None, ready_fd: int | None) -> None:
    """Run the web service in this process until Ctrl-C or SIGTERM.

    After SIGTERM it serves for `[api] drain_time` more seconds, in which its health checks fail. A
    second signal ends this time. Open requests are answered before it stops.

    The settings are those of ACOUSTID_CONFIG. PostgreSQL, Redis and the workers must run already.
    """
    exit_while_starting()
    from api.server import serve as serve_api  # noqa: PLC0415 - the import takes a second
    from api.wsgi import open_front_end  # noqa: PLC0415

    listener = _listener(host, port) if fd is None else socket.socket(fileno=fd)
    services = open_front_end()

    def tell() -> None:
        if fd is None:
            click.echo(f"web service: {ports.web_address(*listener.getsockname()[:2])}")
        if ready_fd is not None:
            os.write(ready_fd, b"ready\n")
            os.close(ready_fd)

    try:
        serve_api(services, listener, tell)
    finally:
        services.close()


def _listener(host: str, port: int) -> socket.socket:
    from http_server.listening import listen  # noqa: PLC0415

    wanted = require_port(port, host, "--port")
    try:
        return listen(host, wanted)
    except OSError as error:
        raise StackError(f"port {wanted} of {host} cannot be used: {error.strerror}") from error
