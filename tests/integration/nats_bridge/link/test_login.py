"""Log-in to NATS: each way works, and each failure has a clear text without secrets."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from nats_bridge.link.connection import connect, connect_once, run_connected
from nats_bridge.link.link_state import LinkState
from nats_bridge.streams.preparation import prepare
from pipeline.settings.sections import NatsSettings
from tests.support.processes.nats_server import running_nats_server
from tests.support.secrets.nats_credentials import NatsOperator
from tests.support.tls_files import TlsFiles

SECRET = "the-secret-word"


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return TlsFiles.copied_to(tmp_path)


def reached(settings: NatsSettings) -> str:
    """Prepare the streams with a connection; return the name of the stream."""

    async def call() -> str:
        client = await connect_once(settings, name="a test", seconds=8)
        try:
            return (await prepare(client.jetstream(), settings)).stream
        finally:
            await client.close()

    return asyncio.run(call())


def failure(settings: NatsSettings) -> str:
    """Return why the first attempt to connect fails."""
    link = LinkState()

    async def call() -> None:
        work = asyncio.ensure_future(connect(settings, link, name="a test"))
        await problem_of(link)
        assert not work.done()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(call())
    assert link.problem
    assert SECRET not in link.problem
    return link.problem


async def problem_of(link: LinkState) -> str:
    async with asyncio.timeout(10):
        while link.problem is None:
            await asyncio.sleep(0.01)
    return link.problem


def of(url: str, **options: object) -> NatsSettings:
    return NatsSettings.model_validate({"servers": url, **options})


def test_user_and_password(tmp_path: Path) -> None:
    with running_nats_server(tmp_path / "nats", "--user", "me", "--pass", SECRET) as server:
        assert reached(of(server.url, user="me", password=SECRET)) == "acoustid_submissions"
        for options in ({}, {"user": "me", "password": SECRET + "2"}, {"token": SECRET}):
            text = failure(of(server.url, **options))
            assert f"127.0.0.1:{server.port}: the server refuses the log-in" in text
            assert "check [nats] user, password, token or credentials" in text


def test_a_token(tmp_path: Path) -> None:
    with running_nats_server(tmp_path / "nats", "--auth", SECRET) as server:
        assert reached(of(server.url, token=SECRET))
        assert "refuses the log-in" in failure(of(server.url, token="wrong"))


def test_credentials(tmp_path: Path) -> None:
    operator = NatsOperator(tmp_path)
    with running_nats_server(tmp_path / "nats", "-c", str(operator.configuration)) as server:
        text = operator.credentials()
        assert reached(of(server.url, credentials=text))
        assert reached(of(server.url, credentials=text.replace("\n", "\r\n")))
        assert "refuses the log-in" in failure(of(server.url))
        expired = operator.credentials(expires_in=-5)
        assert "refuses the log-in" in failure(of(server.url, credentials=expired))
        seed = text.splitlines()[5]
        broken = text.replace(seed, SECRET)
        assert "the seed in [nats] credentials" in failure(of(server.url, credentials=broken))


def test_a_user_that_expires_gets_a_new_client(tmp_path: Path) -> None:
    """nats-py ends a client after an error of the server, and does not reconnect."""
    operator = NatsOperator(tmp_path)
    link = LinkState()
    runs = 0

    async def run(_client: object) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(30)

    async def main(settings: NatsSettings) -> None:
        async with asyncio.timeout(10):
            work = asyncio.ensure_future(run_connected(settings, link, run, name="a test"))
            while "credentials" not in (link.problem or ""):  # the first may be the closed link
                await asyncio.sleep(0.02)
            assert runs
            while link.connected or not link.problem:  # the last second of the user
                await asyncio.sleep(0.02)
            assert not work.done()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    with running_nats_server(tmp_path / "nats", "-c", str(operator.configuration)) as server:
        asyncio.run(main(of(server.url, credentials=operator.credentials(expires_in=2))))


@contextmanager
def tls_server(folder: Path, files: TlsFiles, *options: str) -> Iterator[str]:
    certificate, key = map(str, files.server)
    with running_nats_server(
        folder, "--tls", "--tlscert", certificate, "--tlskey", key, *options
    ) as server:
        yield f"localhost:{server.port}"


def test_tls_with_a_certificate_of_the_client(files: TlsFiles, tmp_path: Path) -> None:
    certificate, key = files.client
    checks = ("--tlsverify", "--tlscacert", str(files.authority), "--auth", SECRET)
    with tls_server(tmp_path / "nats", files, *checks) as address:
        trusted = {"token": SECRET, "ssl_ca_certs": files.authority}
        both = {**trusted, "ssl_certfile": certificate, "ssl_keyfile": key}
        assert reached(of(f"tls://{address}", **both))
        assert reached(of(f"nats://{address}", ssl=True, **both))
        assert "check [nats] ssl_certfile" in failure(of(f"tls://{address}", **trusted))


def test_the_certificate_of_the_server_is_checked(files: TlsFiles, tmp_path: Path) -> None:
    with tls_server(tmp_path / "nats", files) as address:
        other = of(f"tls://{address}", ssl_ca_certs=files.other_authority)
        assert "the certificate of the server is refused" in failure(other)
        by_address = address.replace("localhost", "127.0.0.1")
        named = {"ssl_ca_certs": files.authority}
        assert "must contain the host" in failure(of(f"tls://{by_address}", **named))
        assert reached(of(f"tls://{by_address}", ssl_check_hostname=False, **named))
        assert reached(of(f"tls://{by_address}", ssl_cert_reqs="none"))


def test_replaced_certificates_are_used_at_the_next_connection(
    files: TlsFiles, tmp_path: Path
) -> None:
    trusted = tmp_path / "trusted.crt"
    shutil.copy(files.other_authority, trusted)
    link = LinkState()

    async def main(settings: NatsSettings) -> None:
        async def run(_client: object) -> str:
            return "connected"

        async with asyncio.timeout(10):
            work = asyncio.ensure_future(run_connected(settings, link, run, name="a test"))
            assert "the certificate of the server is refused" in await problem_of(link)
            trusted.write_text("no certificate")
            await asyncio.sleep(0.3)
            assert not work.done()
            shutil.copy(files.authority, trusted)
            assert await work == "connected"

    with tls_server(tmp_path / "nats", files) as address:
        asyncio.run(main(of(f"tls://{address}", ssl_ca_certs=trusted)))


@pytest.mark.parametrize(
    "options",
    [
        {"token": SECRET},
        {"user": SECRET, "password": SECRET},
        {},
    ],
)
def test_no_secret_is_sent_to_a_server_without_tls(options: dict[str, str]) -> None:
    """The server's greeting decides on TLS; a forged server could leave it out."""
    received = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(
                    b'INFO {"version":"2.9.10","nonce":"x","auth_required":true}\r\n'
                )
                while chunk := connection.recv(4096):
                    received.extend(chunk)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        url = f"127.0.0.1:{listener.getsockname()[1]}"
        text = failure(of(url, ssl=True, **options))
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
    assert "offers no TLS, which [nats] ssl requires" in text
    assert not received


def test_credentials_are_not_sent_without_tls(tmp_path: Path) -> None:
    operator = NatsOperator(tmp_path)
    with running_nats_server(tmp_path / "nats", "-c", str(operator.configuration)) as server:
        text = failure(of(server.url, ssl=True, credentials=operator.credentials()))
    assert "offers no TLS" in text


def test_another_server_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(ConnectionResetError):
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        text = failure(of(f"127.0.0.1:{listener.getsockname()[1]}"))
        thread.join(5)
    assert "this is no NATS server: check [nats] servers" in text
