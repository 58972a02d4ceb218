"""One connection to Redis: every reply goes to who asked, whatever becomes of the connection."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.runtime.redis_client import connect
from pipeline.runtime.redis_line import RedisLine
from pipeline.runtime.settings import Settings


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    return connect(settings.redis)


@pytest.fixture
def lose(client: redis.Redis) -> Callable[[RedisLine], None]:
    """Let the server end a line's connection."""

    def kill(line: RedisLine) -> None:
        assert client.client_kill_filter(_id=line.ask("CLIENT", "ID")) == 1

    return kill


def test_threads_get_the_replies_to_their_own_commands(client: redis.Redis) -> None:
    line = RedisLine(client)
    with ThreadPoolExecutor(16) as threads:
        replies = list(threads.map(lambda number: line.ask("ECHO", number), range(500)))
    assert replies == [str(number).encode() for number in range(500)]
    assert line.ask("CLIENT", "ID") == line.ask("CLIENT", "ID")


def test_a_command_on_a_lost_connection_is_sent_again(
    client: redis.Redis, lose: Callable[[RedisLine], None]
) -> None:
    line = RedisLine(client)
    lose(line)
    assert line.ask("PING") == b"PONG"


def test_it_is_not_where_it_may_not_run_twice(
    client: redis.Redis, lose: Callable[[RedisLine], None]
) -> None:
    line = RedisLine(client, again=False)
    lose(line)
    with pytest.raises(RedisConnectionError):
        line.ask("PING")
    assert line.ask("PING") == b"PONG"


def test_a_refusal_ends_neither_the_connection_nor_its_order(client: redis.Redis) -> None:
    line = RedisLine(client)
    before = line.ask("CLIENT", "ID")
    with pytest.raises(ResponseError):
        line.ask("LPUSH", "no value")
    assert line.ask("CLIENT", "ID") == before


def test_a_reply_that_comes_too_late_is_nobodys(settings: Settings) -> None:
    line = RedisLine(connect(settings.redis, timeout=0.2))
    with pytest.raises(RedisTimeoutError):
        line.ask("BLPOP", "nothing comes here", 1)
    assert line.ask("PING") == b"PONG"


def test_closed_it_opens_again(client: redis.Redis) -> None:
    line = RedisLine(client)
    before = line.ask("CLIENT", "ID")
    line.close()
    assert line.ask("CLIENT", "ID") != before


def test_a_child_process_has_a_connection_of_its_own(client: redis.Redis) -> None:
    line = RedisLine(client)
    own = line.ask("CLIENT", "ID")
    forking = multiprocessing.get_context("fork")
    told = forking.SimpleQueue()
    child = forking.Process(target=lambda: told.put(line.ask("CLIENT", "ID")))
    child.start()
    child.join(30)
    assert told.get() != own
    assert line.ask("CLIENT", "ID") == own
