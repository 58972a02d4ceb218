"""``acoustid serve``: one front-end process."""

import os
import socket

import click

from cli.errors import StackError
from cli.stack.servers import ports


@click.command()
@click.option("--host", default=ports.LOOPBACK, show_default=True, help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0: any free."
)
@click.option(
    "--fd", type=click.IntRange(0), help="Serve this open socket, which listens, in place of both."
)
@click.option(
    "--ready-fd", type=click.IntRange(0), help="Write a line to this open file once it serves."
)
def serve(*, host: str, port: int, fd: int | None, ready_fd: int | None) -> None:
    """Run the web service in this process until Ctrl-C or SIGTERM.

    Requests under way are answered before it ends. The settings are those of ACOUSTID_CONFIG;
    PostgreSQL, Redis and the workers run elsewhere.
    """
    from api.server import serve as serve_api  # noqa: PLC0415 - it takes a second to import
    from api.wsgi import open_front_end  # noqa: PLC0415

    listener = _listener(host, port) if fd is None else socket.socket(fileno=fd)
    services = open_front_end()

    def tell() -> None:
        if fd is None:
            click.echo(f"the web service: {ports.web_address(*listener.getsockname()[:2])}")
        if ready_fd is not None:
            os.write(ready_fd, b"ready\n")
            os.close(ready_fd)

    try:
        serve_api(services, listener, tell)
    finally:
        services.close()


def _listener(host: str, port: int) -> socket.socket:
    from http_server.listening import listen  # noqa: PLC0415

    wanted = ports.require(port, host, "--port")
    try:
        return listen(host, wanted)
    except OSError as error:
        raise StackError(f"port {wanted} of {host} cannot be used: {error.strerror}") from error
