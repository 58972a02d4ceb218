"""Redis clients with a real server, and with servers that do not reply or are unreachable."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

import pytest
import redis

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from tests.support.processes.servers import Servers


@pytest.fixture
def settings(servers: Servers) -> Settings:
    """Return settings for the session's servers; no database is needed here."""
    return servers.settings()


@dataclass
class Fake:
    """A TCP server that does not reply, and closes the first `drops` connections."""

    listener: socket.socket
    drops: int = 0
    accepted: list[socket.socket] = field(default_factory=list)

    def serve(self) -> None:
        """Accept until the listener is closed."""
        with suppress(OSError):
            while True:
                caller, _ = self.listener.accept()
                self.accepted.append(caller)
                if len(self.accepted) <= self.drops:
                    caller.close()

    @property
    def settings(self) -> RedisSettings:
        """Its settings."""
        return RedisSettings(host="127.0.0.1", port=self.listener.getsockname()[1])


@pytest.fixture
def fake() -> Iterator[Fake]:
    """Return a server that accepts connections and does not reply."""
    server = Fake(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join()
    for caller in server.accepted:
        caller.close()


def test_values_are_bytes(settings: Settings) -> None:
    """Nothing is decoded: messages carry compressed fingerprints."""
    with closing(connect(settings.redis)) as client:
        client.set("runtime:value", b"\xff\x00")
        assert client.getdel("runtime:value") == b"\xff\x00"


def test_another_database_of_the_server(settings: Settings) -> None:
    """A client can be given another database number."""
    with closing(connect(settings.redis)) as main, closing(connect(settings.redis, db=5)) as other:
        other.set("runtime:only", b"1")
        assert main.get("runtime:only") is None
        assert other.getdel("runtime:only") == b"1"


def test_a_blocking_command_waits_at_the_server_past_the_reply_timeout(settings: Settings) -> None:
    """A blocking client waits longer than a reply timeout."""
    with closing(connect(settings.redis, blocking=True, wait=1, timeout=0.2)) as client:
        assert client.blpop(["runtime:nothing"], timeout=0.5) is None


def test_a_pushed_reply_wakes_a_blocking_client(settings: Settings) -> None:
    """A blocking client gets an item that is pushed while it waits."""
    with (
        closing(connect(settings.redis, blocking=True)) as waiting,
        closing(connect(settings.redis)) as pushing,
    ):
        timer = threading.Timer(0.05, pushing.rpush, ("runtime:reply", b"answer"))
        timer.start()
        reply = waiting.blpop(["runtime:reply"], timeout=5)
        assert reply
        assert reply[1] == b"answer"
        timer.join()


@pytest.mark.parametrize("blocking", [False, True])
def test_a_command_without_a_reply_is_not_sent_again(fake: Fake, *, blocking: bool) -> None:
    """A missing reply raises an error, and the command is not sent again."""
    with closing(connect(fake.settings, blocking=blocking, wait=0, timeout=0.1)) as client:
        with pytest.raises(redis.TimeoutError):
            client.incr("x")
        assert len(fake.accepted) == 1
        with pytest.raises(redis.TimeoutError):
            client.incr("x")
        assert len(fake.accepted) == 2, "a connection that owes a reply must not be used again"


def test_a_command_is_sent_once_more_after_a_lost_connection(fake: Fake) -> None:
    """After a second lost connection it raises an error."""
    fake.drops = 100
    with closing(connect(fake.settings)) as client, pytest.raises(redis.ConnectionError):
        client.incr("x")
    assert len(fake.accepted) == 2


def test_a_blocking_command_is_sent_once(fake: Fake) -> None:
    """A blocking command is never sent twice."""
    fake.drops = 100
    with (
        closing(connect(fake.settings, blocking=True)) as client,
        pytest.raises(redis.ConnectionError),
    ):
        client.blpop(["x"], timeout=1)
    assert len(fake.accepted) == 1


def test_closed_connections_are_replaced(settings: Settings) -> None:
    """Connections that the server closed are replaced without an error, blocking ones too."""
    with (
        closing(connect(settings.redis)) as admin,
        closing(connect(settings.redis)) as plain,
        closing(connect(settings.redis, blocking=True)) as blocking,
    ):
        for client in (plain, blocking):
            identity = client.client_id()
            admin.client_kill_filter(_id=str(identity))
            assert client.ping()


def test_a_wrong_password_is_an_error_that_does_not_quote_it(settings: Settings) -> None:
    """The error of the server has no password."""
    wrong = RedisSettings.model_validate(
        {"host": settings.redis.host, "port": settings.redis.port, "password": "hunter2"}
    )
    with closing(connect(wrong)) as client, pytest.raises(redis.AuthenticationError) as caught:
        client.ping()
    assert "hunter2" not in str(caught.value)
