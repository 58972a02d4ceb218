"""Headers that look like those of the server's own messages do not stop the ingest."""

import socket
from urllib.parse import urlsplit

import pytest

from nats_bridge import headers
from tests.integration.nats_bridge.ingest.site import Link, Site, item


def publish_raw(site: Site, header_block: bytes, body: bytes = b"{}") -> None:
    """Publish a message with any bytes as its headers."""
    address = urlsplit(site.url)
    subject = site.streams.stream.encode()
    sizes = b"%d %d" % (len(header_block), len(header_block) + len(body))
    command = b"HPUB " + subject + b" " + sizes + b"\r\n" + header_block + body + b"\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), 5) as connection:
        connection.settimeout(5)
        connection.recv(4096)
        connection.sendall(b'CONNECT {"verbose":false,"headers":true}\r\n' + command + b"PING\r\n")
        received = b""
        while b"PONG" not in received:
            more = connection.recv(4096)
            assert more, received
            received += more


def test_a_message_with_the_status_of_a_reply_is_received(site: Site) -> None:
    statuses = ("404", "408", "409", "100", "503", "400", "text")

    async def scenario(link: Link) -> None:
        for status in statuses:
            await link.publish(item(1), Status=status)
            await link.publish(b"", Status=status, Description="No Messages")
        await link.drain()
        await link.wait_for_left(0)
        assert len(await link.dead_letters()) == len(statuses)

    site.run(scenario)
    assert site.lengths() == [1] * len(statuses)


def test_headers_that_no_client_writes_are_a_dead_letter(site: Site) -> None:
    blocks = (
        b"NATS/1.0 404 No Messages\r\n\r\n",
        b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\n\r\n",
        b"NATS/1.0 \xff\xff\xff\xff\r\n\r\n",
        b"NATS/1.0 404 \xff\r\n\r\n",
        b"NATS/1.0",
        b"NATS/1.0\r\n\r\n",
        b"\0\r\n\r\n",
        b"NATS/1.0\r\nAcoustid-Client\r\n: x\r\n\xff: \xfe\r\n\r\n",
    )

    async def scenario(link: Link) -> None:
        for block in blocks:
            publish_raw(site, block)
        await link.publish(item(1))
        await link.drain()
        await link.wait_for_left(0)
        assert len(await link.dead_letters()) == len(blocks)

    site.run(scenario)
    assert site.lengths() == [1]


@pytest.mark.parametrize("name", ["Other", "Nats-Msg-Id", "Acoustid-Client", "Acoustid-User"])
def test_headers_of_the_maximum_size_leave_room_for_the_reason(site: Site, name: str) -> None:
    block = f"NATS/1.0\r\nAcoustid-Client: x\r\n{name}: {'x' * 65_400}\r\nY: y\r\n\r\n"

    async def scenario(link: Link) -> None:
        publish_raw(site, block.encode())
        await link.drain()
        await link.wait_for_left(0)
        [letter] = await link.dead_letters()
        assert letter.headers is not None
        assert letter.headers[headers.CODE] in ("2", "4")
        assert letter.headers["Y"] == "y"
        assert letter.headers.get(headers.CLIENT) == (None if name == headers.CLIENT else "x")
        assert (letter.data, name in (headers.MESSAGE_ID, *letter.headers)) == (
            b"{}",
            name == headers.MESSAGE_ID,
        )

    site.run(scenario)
