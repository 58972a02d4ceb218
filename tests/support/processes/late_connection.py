"""A server that gets one more connection at the moment when it stops. This module runs it.

Arguments: a port, and the maximum time for open requests at the stop. The process connects to its
own server when uvicorn's main loop has ended. The event loop accepts the connection before uvicorn
closes the known ones, and calls its `connection_made` after that.
"""

import asyncio
import socket
import sys

import click
import uvicorn

from http_server import server
from http_server.limits import Limits
from http_server.listening import listen
from tests.support.processes.wsgi_application import THREADS, application, describe

LATE: list[socket.socket] = []
main_loop = uvicorn.Server.main_loop


async def main_loop_and_connection(self: uvicorn.Server) -> None:
    """Run the main loop, then connect and let the event loop accept the connection."""
    await main_loop(self)
    LATE.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    await asyncio.sleep(0)


if __name__ == "__main__":
    uvicorn.Server.main_loop = main_loop_and_connection  # type: ignore[method-assign]
    options = server.ServerOptions(Limits(), THREADS, describe, stop_time=float(sys.argv[2]))
    listener = listen("127.0.0.1", int(sys.argv[1]))
    server.run(application, listener, options, lambda: click.echo("ready"))
    click.echo(f"connections: {len(LATE)}")
