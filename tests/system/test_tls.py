"""A stack on Debian's PostgreSQL and Redis with TLS only, certificates on both sides."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from redis import Redis

from cli.stack.data_directory import DataDir
from cli.stack.stack_record import DATABASES, StackRecord
from pipeline.runtime.databases import connect_arguments
from pipeline.runtime.redis_client import connect
from pipeline.runtime.start_log import redis_problem
from tasks.queues import NAMES
from tests.support.polling import eventually
from tests.support.processes.servers import PASSWORD, running, temporary_folder
from tests.support.processes.whole_stack import WholeStack, acoustid, running_stack
from tests.support.tls_files import TlsFiles
from tests.system.certificates import make_tls_files
from tests.system.packages import OPENSSL, POSTGRES, REDIS, needs
from tests.system.round_trip import check_submission_and_lookup
from tests.system.tls_servers import TlsPostgres, TlsRedis

pytestmark = [needs(POSTGRES), needs(REDIS), needs(OPENSSL)]

CONNECTIONS = sa.text(
    "SELECT datname, application_name, ssl, client_dn FROM pg_stat_activity "
    "JOIN pg_stat_ssl USING (pid) WHERE application_name LIKE 'acoustid-%'"
)


@dataclass(frozen=True)
class TlsServers:
    """Both servers, which run.

    Attributes:
        folder: the folder of the certificates and of ``acoustid.conf``.
    """

    postgres: TlsPostgres
    redis: TlsRedis
    folder: Path
    config: Path


@pytest.fixture(scope="module")
def servers() -> Iterator[TlsServers]:
    with temporary_folder() as folder:
        files = make_tls_files(folder, user="acoustid")
        postgres, redis = TlsPostgres(folder, files), TlsRedis(folder, files)
        with running(postgres), running(redis):
            config = write_config(folder, postgres, redis, files)
            yield TlsServers(postgres, redis, folder, config)


def write_config(folder: Path, postgres: TlsPostgres, redis: TlsRedis, files: TlsFiles) -> Path:
    """Write ``acoustid.conf`` beside the certificates, with their names only."""
    certificate, key = (path.name for path in files.client)
    lines = []
    for section in DATABASES:
        lines += [f"[{section}]", "host = localhost", f"port = {postgres.port}"]
        lines += ["user = acoustid", f"password = {PASSWORD}"]
        lines += ["sslmode = verify-full", f"sslrootcert = {files.authority.name}"]
        lines += [f"sslcert = {certificate}", f"sslkey = {key}"]
    lines += ["[redis]", "host = localhost", f"port = {redis.port}", f"password = {PASSWORD}"]
    lines += ["ssl = true", f"ssl_ca_certs = {files.authority.name}"]
    lines += [f"ssl_certfile = {certificate}", f"ssl_keyfile = {key}"]
    path = folder / "acoustid.conf"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def stack(servers: TlsServers) -> Iterator[WholeStack]:
    data = DataDir.at(servers.folder / "data")
    with running_stack(data, WholeStack, ACOUSTID_CONFIG=str(servers.config)) as running:
        yield running


def postgres_connections(servers: TlsServers) -> list[sa.Row[tuple[str, str, bool, str]]]:
    url = servers.postgres.settings().url()
    arguments = connect_arguments("test")
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)
    with engine.connect() as connection:
        return list(connection.execute(CONNECTIONS))


def test_every_connection_of_a_stack_is_encrypted(servers: TlsServers, stack: WholeStack) -> None:
    check_submission_and_lookup(stack)
    roles = {each["role"] for each in stack.status()["processes"]}
    assert roles.isdisjoint({"postgres", "valkey"})

    found = postgres_connections(servers)
    assert {each.datname for each in found} >= {
        "acoustid_app",
        "acoustid_fingerprint",
        "acoustid_ingest",
        "musicbrainz",
    }
    assert {each.application_name for each in found} >= {"acoustid-api", "acoustid-worker"}
    assert {(each.ssl, each.client_dn) for each in found} == {(True, "/CN=acoustid")}

    with connect(servers.redis.settings()) as client:
        assert client.config_get("port")["port"] == "0"
        assert client.info("commandstats")["cmdstat_lpush"]["calls"] > 0
        eventually(lambda: beat_has_a_lock(client))


def beat_has_a_lock(client: Redis) -> bool:
    return bool(client.exists("redbeat::lock"))


def test_flower_reads_workers_and_queues(stack: WholeStack) -> None:
    password = StackRecord.load(stack.data).flower_password
    assert eventually(lambda: stack.flower("/workers?json=1", password)["data"])
    queues = stack.flower("/api/queues/length", password)["active_queues"]
    assert {each["name"] for each in queues} <= set(NAMES)
    assert queues


def failed_start(servers: TlsServers, tmp_path: Path, environ: Mapping[str, str]) -> str:
    """Return the message of a stack that cannot start."""
    environ = {"ACOUSTID_CONFIG": str(servers.config), **environ}
    options = ("--no-sample", "--port", "0", "--flower-port", "0", "--workers", "1")
    answer = acoustid("up", *options, data=DataDir.at(tmp_path / "data"), environ=environ)
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    return answer.stderr


@pytest.mark.parametrize(
    ("environ", "messages"),
    [
        (
            {"ACOUSTID_DATABASE_SSLROOTCERT": "{folder}/other-authority.crt"},
            ["PostgreSQL: connection to server at", "certificate verify failed"],
        ),
        (
            {"ACOUSTID_DATABASE_HOST": "127.0.0.1"},
            ["PostgreSQL: connection to server at", 'does not match host name "127.0.0.1"'],
        ),
        (
            {
                "ACOUSTID_DATABASE_SSLMODE": "disable",
                "ACOUSTID_DATABASE_SSLROOTCERT": "",
                "ACOUSTID_DATABASE_SSLCERT": "",
                "ACOUSTID_DATABASE_SSLKEY": "",
            },
            ["PostgreSQL: connection to server at", "no encryption"],
        ),
        (
            {"ACOUSTID_REDIS_SSL_CA_CERTS": "{folder}/other-authority.crt"},
            ["Redis at localhost", "certificate verify failed", "ssl_ca_certs"],
        ),
    ],
    ids=[
        "postgres-authority",
        "postgres-host",
        "postgres-plain",
        "redis-authority",
    ],
)
def test_a_wrong_setting_is_refused_with_its_reason(
    environ: dict[str, str], messages: list[str], servers: TlsServers, tmp_path: Path
) -> None:
    changed = {name: text.format(folder=servers.folder) for name, text in environ.items()}
    problem = failed_start(servers, tmp_path, changed)
    for message in messages:
        assert message in problem
    assert PASSWORD not in problem


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "127.0.0.1"}, "certificate is not valid for '127.0.0.1'"),
        ({"ssl_certfile": None, "ssl_keyfile": None}, "ssl_certfile and ssl_keyfile"),
        ({"ssl": False}, "the server may require TLS"),
    ],
    ids=["host", "without-certificate", "plain"],
)
def test_redis_refuses_other_clients(
    changes: dict[str, object], message: str, servers: TlsServers
) -> None:
    problem = redis_problem(servers.redis.settings().model_copy(update=changes))
    assert problem
    assert message in problem


def test_a_key_that_others_can_read_is_refused_with_its_option(
    servers: TlsServers, tmp_path: Path
) -> None:
    loose = tmp_path / "loose.key"
    loose.write_bytes((servers.folder / "client.key").read_bytes())
    loose.chmod(0o644)
    problem = failed_start(servers, tmp_path, {"ACOUSTID_DATABASE_SSLKEY": str(loose)})
    assert "ACOUSTID_DATABASE_SSLKEY: other users can use" in problem
