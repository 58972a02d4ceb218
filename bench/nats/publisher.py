"""Publishes each line of a file as a message, without a pause, and awaits all acknowledgements.

``python -m bench.nats.publisher`` runs in a separate process. It prints the time of the first
message and that of the last acknowledgement.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Final

import click
import nats
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from nats_bridge.headers import CLIENT, MESSAGE_ID, USER

IN_FLIGHT: Final = 500
"""Maximum number of messages that are not acknowledged yet."""

STREAM_DEADLINE: Final = 60.0
"""Seconds to wait for a stream that holds the subject."""

TIMEOUT: Final = 60.0
"""Seconds to wait for an acknowledgement."""


@click.command()
@click.argument("server")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--subject", required=True)
@click.option("--client", required=True)
@click.option("--user", required=True)
@click.option("--ids", required=True, help="Start of the message ids.")
def main(*, server: str, path: Path, subject: str, client: str, user: str, ids: str) -> None:
    """Publish the lines of a file to the NATS server at SERVER."""
    bodies = path.read_bytes().splitlines()
    headers = [
        {CLIENT: client, USER: user, MESSAGE_ID: f"{ids}-{number}"} for number in range(len(bodies))
    ]
    started, sent = asyncio.run(publish(server, subject, list(zip(headers, bodies, strict=True))))
    click.echo(json.dumps({"started": started, "sent": sent}))


async def publish(
    server: str, subject: str, messages: list[tuple[dict[str, str], bytes]]
) -> tuple[float, float]:
    """Publish messages, and await their acknowledgements.

    Args:
        server: the address of the server.
        subject: the subject, which a stream must hold.
        messages: the headers and the body of each.

    Returns:
        The times of the first message and of the last acknowledgement, in seconds since the epoch.
    """
    connection = await nats.connect(server)
    try:
        jetstream = connection.jetstream(publish_async_max_pending=IN_FLIGHT)
        await _wait_for_stream(jetstream, subject)
        started = time.time()
        acknowledgements = [
            await jetstream.publish_async(subject, body, wait_stall=TIMEOUT, headers=headers)
            for headers, body in messages
        ]
        async with asyncio.timeout(TIMEOUT):
            await asyncio.gather(*acknowledgements)
        return started, time.time()
    finally:
        await connection.close()


async def _wait_for_stream(jetstream: JetStreamContext, subject: str) -> None:
    """Wait until a stream holds the subject: the process of the stack makes it at its start.

    Raises:
        TimeoutError: none does within `STREAM_DEADLINE`.
    """
    async with asyncio.timeout(STREAM_DEADLINE):
        while True:
            try:
                await jetstream.find_stream_name_by_subject(subject)
            except NotFoundError:
                await asyncio.sleep(0.1)
            else:
                return


if __name__ == "__main__":
    main()
