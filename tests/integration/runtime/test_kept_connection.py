"""Tests of a Redis client with one kept connection: replies, losses, errors and time-outs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tests.support.polling import eventually

NOTHING = "nothing comes here"


@pytest.fixture
def lose(settings: Settings) -> Callable[[redis.Redis], None]:
    """Return a function that closes a client's connection on the server."""
    other = connect(settings.redis)

    def kill(client: redis.Redis) -> None:
        assert other.client_kill_filter(_id=client.client_id()) == 1

    return kill


def test_threads_get_the_replies_to_their_own_commands(settings: Settings) -> None:
    client = connect(settings.redis, keeps_connection=True)
    own = client.client_id()
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(lambda number: client.echo(str(number)), range(500)))
    assert replies == [str(number).encode() for number in range(500)]
    assert client.client_id() == own


def test_a_command_is_repeated_after_a_lost_connection(
    settings: Settings, lose: Callable[[redis.Redis], None]
) -> None:
    client = connect(settings.redis, keeps_connection=True)
    lose(client)
    assert client.ping()


def test_a_blocking_command_on_a_lost_connection_is_not_sent_again(
    settings: Settings, lose: Callable[[redis.Redis], None]
) -> None:
    client = connect(settings.redis, blocking=True, wait=1, keeps_connection=True)
    lose(client)
    with pytest.raises(RedisConnectionError):
        client.blpop([NOTHING], 1)
    assert client.blpop([NOTHING], 0.01) is None


def test_a_blocking_command_whose_connection_is_lost_takes_no_item(settings: Settings) -> None:
    client = connect(settings.redis, blocking=True, wait=10, keeps_connection=True)
    other, key = connect(settings.redis), "ended while it waits"
    own = client.client_id()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.blpop, [key], 10)
        eventually(
            lambda: any(
                each["id"] == str(own) and each["cmd"] == "blpop" for each in other.client_list()
            )
        )
        other.client_kill_filter(_id=own)
        with pytest.raises(RedisConnectionError):
            waiting.result(30)
    other.rpush(key, b"kept")
    assert client.blpop([key], 1) == (key.encode(), b"kept")


def test_an_error_reply_does_not_end_the_connection(settings: Settings) -> None:
    client = connect(settings.redis, keeps_connection=True)
    before = client.client_id()
    with pytest.raises(ResponseError):
        client.execute_command("LPUSH", "no value")
    assert client.client_id() == before


def test_a_late_reply_is_not_the_reply_to_the_next_command(settings: Settings) -> None:
    client = connect(settings.redis, timeout=0.2, keeps_connection=True)
    with pytest.raises(RedisTimeoutError):
        client.blpop([NOTHING], 1)
    assert client.ping()
