"""Redis over TLS: clients, Celery, client-side caching, and the reasons of failures.

A proxy in front of the session's Valkey speaks TLS and requires a certificate of its clients.
"""

import asyncio
import runpy
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from celery import Celery
from flower.utils.broker import Broker
from redbeat.schedulers import get_redis

from api.access.redis_outage import RedisCircuitBreaker
from api.lookups.tracked_generation import TrackedGeneration
from pipeline.runtime.links.connection_limits import REDIS_STATUS, ConnectionLimits
from pipeline.runtime.redis_client import connect
from pipeline.runtime.start_log import redis_problem
from pipeline.settings.sections import RedisSettings, Settings
from tasks.fast_path.lookup_sender import KeptProducer
from tasks.queues import LOOKUP
from tasks.redis_state.catalogue_generation import KEY
from tests.support.polling import eventually
from tests.support.processes.scratch_redis import NUMBER, scratch_redis
from tests.support.processes.servers import Servers
from tests.support.processes.tls_proxy import TlsProxy, running_tls_proxy
from tests.support.processes.workers import write_config
from tests.support.tls_files import TlsFiles

SHORT = replace(REDIS_STATUS, reply=0.5)
"""Time limits of the handshake with a server that does not answer."""


@pytest.fixture(scope="module")
def settings(servers: Servers) -> Settings:
    """Settings for the session's servers; no database is needed here."""
    return servers.settings()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles.copied_to(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def proxy(settings: Settings, files: TlsFiles) -> Iterator[TlsProxy]:
    with running_tls_proxy((settings.redis.host, settings.redis.port), files) as running:
        yield running


@pytest.fixture
def secure(settings: Settings, proxy: TlsProxy, files: TlsFiles) -> Iterator[RedisSettings]:
    """The settings of TLS through the proxy, for an empty database."""
    certificate, key = files.client
    with scratch_redis(settings):
        yield settings.redis.model_copy(
            update={
                "host": "localhost",
                "port": proxy.port,
                "db": NUMBER,
                "ssl": True,
                "ssl_ca_certs": files.authority,
                "ssl_certfile": certificate,
                "ssl_keyfile": key,
            }
        )


@pytest.mark.parametrize("keeps", [False, True])
def test_commands_are_encrypted(secure: RedisSettings, proxy: TlsProxy, *, keeps: bool) -> None:
    before = proxy.handshakes
    with closing(connect(secure, keeps_connection=keeps)) as client:
        client.set("tls", b"x" * 200_000)
        assert client.get("tls") == b"x" * 200_000
    assert proxy.handshakes > before
    assert redis_problem(secure) is None


def test_a_blocking_client_waits_for_a_reply(secure: RedisSettings) -> None:
    with (
        closing(connect(secure, blocking=True, wait=2, keeps_connection=True)) as waiting,
        closing(connect(secure)) as pushing,
    ):
        assert waiting.blpop(["tls"], timeout=0.1) is None
        pushing.rpush("tls", b"1")
        reply = waiting.blpop(["tls"], timeout=2)
        assert reply
        assert reply[1] == b"1"


def readings(client: redis.Redis) -> int:
    """Return how often a hash has been read from the server."""
    return int(client.info("commandstats")["cmdstat_hgetall"]["calls"])


def test_changes_of_the_generation_are_reported(secure: RedisSettings) -> None:
    """The connection reports a change, so the hash is not read at each call."""
    with closing(connect(secure)) as client:
        tracked = TrackedGeneration(client, RedisCircuitBreaker(), max_age=60)
        assert tracked.read() == {}
        for value in (b"1", b"2", b"3"):
            client.hset(KEY, "value", value)
            eventually(lambda value=value: tracked.read() == {b"value": value}, 5)
        before = readings(client)
        for _ in range(20):
            tracked.read()
        assert readings(client) == before


@pytest.fixture
def celery(
    secure: RedisSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Celery]:
    """A Celery application with the settings of `celeryconfig.py`."""
    config = write_config(Settings(redis=secure), tmp_path / "acoustid.conf")
    monkeypatch.setenv("ACOUSTID_CONFIG", str(config))
    found = runpy.run_path(str(Path(__file__).parents[3] / "celeryconfig.py"))
    app = Celery(set_as_current=False)
    app.config_from_object(SimpleNamespace(**found))
    yield app
    app.close()


def test_the_broker_of_celery_is_encrypted(celery: Celery, proxy: TlsProxy) -> None:
    before = proxy.handshakes
    producer = KeptProducer(celery, LOOKUP, declares=False)
    producer.publish("lookup.batch", (b"\1",), argsrepr="")
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues[LOOKUP](connection.default_channel)
        message = queue.get(no_ack=True, accept=celery.conf.accept_content)
    producer.close()
    assert message.headers["task"] == "lookup.batch"
    assert proxy.handshakes >= before + 2


def test_results_beat_and_flower_are_encrypted(celery: Celery, proxy: TlsProxy) -> None:
    before = proxy.handshakes
    assert celery.backend.client.ping()
    assert get_redis(celery).ping()
    flower = Broker(
        celery.conf.broker_url,
        broker_options=celery.conf.broker_transport_options,
        broker_use_ssl=celery.conf.broker_use_ssl,
    )
    assert asyncio.run(flower.queues([LOOKUP])) == [{"name": LOOKUP, "messages": 0}]
    assert proxy.handshakes == before + 3


def refused(settings: RedisSettings, limits: ConnectionLimits = REDIS_STATUS) -> str:
    """Return why a connection fails."""
    problem = redis_problem(settings, limits)
    assert problem
    assert str(settings.port) in problem
    return problem


def test_another_authority_is_refused(secure: RedisSettings, files: TlsFiles) -> None:
    problem = refused(secure.model_copy(update={"ssl_ca_certs": files.other_authority}))
    assert "certificate verify failed" in problem
    assert "ssl_ca_certs" in problem


def test_another_host_is_refused_unless_that_check_is_off(secure: RedisSettings) -> None:
    other = secure.model_copy(update={"host": "127.0.0.1"})
    assert "not valid for '127.0.0.1'" in refused(other)
    assert redis_problem(other.model_copy(update={"ssl_check_hostname": False})) is None


def test_without_a_check_any_certificate_is_accepted(secure: RedisSettings) -> None:
    unchecked = secure.model_copy(update={"ssl_ca_certs": None, "ssl_cert_reqs": "none"})
    assert redis_problem(unchecked) is None


def test_a_client_without_certificate_is_refused(secure: RedisSettings) -> None:
    bare = secure.model_copy(update={"ssl_certfile": None, "ssl_keyfile": None})
    assert "[redis]" in refused(bare)


def test_a_server_without_tls_is_an_error_soon(secure: RedisSettings, settings: Settings) -> None:
    plain = secure.model_copy(update={"port": settings.redis.port})
    assert "did not answer the TLS handshake" in refused(plain, SHORT)


def test_a_server_that_does_not_answer_is_an_error_soon(secure: RedisSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = secure.model_copy(update={"port": silent.getsockname()[1]})
        assert "did not answer the TLS handshake" in refused(hung, SHORT)


def test_a_client_without_tls_gets_a_hint(secure: RedisSettings) -> None:
    plain = secure.model_copy(update={"ssl": False})
    assert "the server may require TLS" in refused(plain)


def test_an_error_of_tls_counts_as_unreachable(secure: RedisSettings, files: TlsFiles) -> None:
    wrong = secure.model_copy(update={"ssl_ca_certs": files.other_authority})
    with closing(connect(wrong)) as client, pytest.raises(redis.ConnectionError):
        client.ping()
