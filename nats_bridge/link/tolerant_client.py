"""The client of nats-py, which a message with wrong headers does not stop."""

from nats.aio.client import Client


class TolerantClient(Client):
    """Takes a message whose headers cannot be parsed for one without headers.

    In nats-py 2.16 the error of such a message ends the task that reads the connection. The
    connection is replaced, the message is delivered again, and so on for ever: one message of a
    publisher would stop the ingest. The servers store any bytes as headers.
    """

    # nats-py has no documented interface for this.
    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        try:
            found: dict[str, str] | None = await super()._process_headers(headers)
        except (IndexError, ValueError):  # ValueError: wrong UTF-8
            return None
        return found
