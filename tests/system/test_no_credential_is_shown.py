"""A stack with a marker in each secret: no text that it shows contains one.

The stack is used, and then its connections to PostgreSQL and Valkey are refused for a while. So its
logs and error reports have tracebacks of many kinds.
"""

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
import psycopg2
import pytest
import redis
from celery import Celery

from cli.stack.data_directory import DataDir
from cli.stack.processes.system_account import SystemAccount
from cli.stack.run_state import RunState
from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.postgres import USER
from cli.stack.stack_record import StackRecord
from pipeline.settings.load import load_settings
from tests.support.catalogue.recordings import recordings
from tests.support.polling import eventually
from tests.support.processes.nats_server import running_nats_server
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import WholeStack, running_stack
from tests.support.secrets.forms import shown
from tests.support.secrets.receivers import Received, sentry_receiver, statsd_receiver
from tests.system.packages import needs_root

RECORD = StackRecord(
    postgres_password="postgres:marker@1/%41+x",
    valkey_password="valkey:marker@2/%41+x",
    cluster_secret="unused-marker-3",
    flower_password="unused-marker-4",
)
FLOWER = "flower-marker-5/%41&x"
CLUSTER = "cluster:marker@6/%41+x"
DSN_KEY = "5e17000000marker7"
WRONG = "wrong:marker@8/%41+x"
TOKEN = "musicbrainz-token-marker-9"
COOKIE = "cookie-marker-10"
NATS_TOKEN = "nats:marker@11/%41+x"
NOBODY = SystemAccount("nobody", 65534, 65534)

INSPECTIONS = (
    "active",
    "active_queues",
    "conf",
    "memdump",
    "registered",
    "report",
    "reserved",
    "revoked",
    "scheduled",
    "stats",
)
TABLE = (
    "draw=1&start=0&length=50&search%5Bvalue%5D=&order%5B0%5D%5Bcolumn%5D=0"
    "&order%5B0%5D%5Bdir%5D=asc&columns%5B0%5D%5Bdata%5D=name"
)
FLOWER_PAGES = (
    "/",
    "/workers",
    "/workers?json=1",
    "/worker/{node}",
    "/tasks",
    f"/tasks/datatable?{TABLE}",
    "/task/{task}",
    "/broker",
    "/api/workers?refresh=1",
    "/api/tasks?limit=100",
    "/api/task/types",
    "/api/task/info/{task}",
    "/api/task/result/{task}",
    "/api/queues/length",
    "/metrics",
    "/healthcheck",
    "/login",
    "/logout",
    "/no-such-page",
)

Texts = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Used:
    """A stack that was used and that had failures.

    Attributes:
        secrets: each secret by its name.
        replies: the replies of the API, those during the failures included.
        outputs: the outputs of commands.
    """

    stack: WholeStack
    secrets: dict[str, str]
    replies: Texts
    outputs: Texts
    sentry: Received
    statsd: Received


@pytest.fixture(scope="module")
def used() -> Iterator[Used]:
    with (
        sentry_receiver() as sentry,
        statsd_receiver() as statsd,
        temporary_folder() as folder,
        running_nats_server(folder / "nats", "-c", str(nats_configuration(folder))) as nats,
    ):
        data = DataDir.at(folder / "data")
        data.create()
        RECORD.save(data)
        config = folder / "mine.conf"
        config.write_text(
            f"[flower]\npassword = {FLOWER}\n"
            f"[sentry]\ndsn = http://{DSN_KEY}@{LOOPBACK}:{sentry.port}/1\ntraces_sample_rate = 1\n"
            f"[statsd]\nhost = {LOOPBACK}\nport = {statsd.port}\n"
            "[api]\nmusicbrainz_userinfo_url = http://127.0.0.1:9/userinfo\n"
            "[retention]\ntask_results_hours = 1\n"
            f"[nats]\nservers = {nats.url}\ntoken = {NATS_TOKEN}\n"
        )
        own = {"ACOUSTID_CONFIG": str(config), "ACOUSTID_CLUSTER_SECRET": CLUSTER}
        with running_stack(data, WholeStack, **own) as stack:
            secrets = {
                "password of PostgreSQL": RECORD.postgres_password,
                "password of Valkey": RECORD.valkey_password,
                "password of Flower": FLOWER,
                "secret of the cluster": CLUSTER,
                "key of Sentry": DSN_KEY,
                "wrong password": WRONG,
                "token of MusicBrainz": TOKEN,
                "cookie": COOKIE,
                "token of NATS": NATS_TOKEN,
                "key of the application": stack.client,
                "key of the user": stack.user,
            }
            replies: Texts = []
            use(stack, replies)
            outputs = wrong_passwords(stack, folder)
            publish(stack, folder)
            with refused_connections(stack):
                publish(stack, folder)
                nats.stop()
                use(stack, replies)
                nats.start()
            eventually(lambda: b'"status": "ok"' in get(stack.port("api"), "/_health"))
            use(stack, replies)
            outputs += commands(stack)
            yield Used(stack, secrets, replies, outputs, sentry, statsd)


def use(stack: WholeStack, replies: Texts) -> None:
    """Send requests of many kinds with all keys, in the query string and in forms."""
    recording = recordings()[0].original
    keys = {"client": stack.client, "user": stack.user, "secret": CLUSTER}
    item = {"fingerprint": recording.fingerprint, "duration": str(int(recording.duration))}
    port = stack.port("api")
    sent: list[tuple[str, str | None]] = [("/_health", None)]
    for path, fields in (
        ("/v2/lookup", item),
        ("/v2/lookup", {**item, "fingerprint": "AQAA"}),
        ("/v2/lookup", {**item, "async": "1", "format": "xml"}),
        ("/v2/lookup", {**item, "format": "jsonp", "client": "unknown"}),
        ("/v2/submit", {**item, "wait": "0", "mbid": recordings()[0].mbid}),
        ("/v2/submit", {"fingerprint": "AQAA"}),
        ("/v2/user/lookup", {}),
        ("/v2/user/create_musicbrainz", {"access_token": TOKEN}),
        ("/v2/internal/lookup_stats", {"application_id": "x"}),
        ("/v2/internal/check_application", {"apikey": stack.client}),
        ("/v2/no/such/path", {}),
        ("/v2/edit", {}),
    ):
        query = urlencode({**keys, **fields})
        sent += [(f"{path}?{query}", None), (path, query)]
    with ThreadPoolExecutor(len(sent)) as pool:
        bodies = pool.map(lambda each: get(port, each[0], body=each[1]), sent)
        replies += [
            (f"reply of {path.partition('?')[0]}", body)
            for (path, _), body in zip(sent, bodies, strict=True)
        ]


def nats_configuration(folder: Path) -> Path:
    """Write the configuration of a server of NATS that requires the token."""
    path = folder / "nats.conf"
    path.write_text(f'authorization {{token: "{NATS_TOKEN}"}}\n')
    return path


def publish(stack: WholeStack, folder: Path) -> None:
    """Publish messages of NATS with the keys: one is accepted, the other one is refused."""
    recording = recordings()[1].original
    good = {"fingerprint": recording.fingerprint, "duration": int(recording.duration)}
    lines = [{**good, "track": "any"}, {"fingerprint": "AQAA", "duration": 9, "track": "any"}]
    file = folder / "lines.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    keys = ("--client", stack.client, "--user", stack.user)
    found = stack.acoustid("ingest", "nats", "--from-file", str(file), *keys)
    assert found.returncode == 0, found.stderr


def get(port: int, path: str, *, body: str | None = None, login: str = "") -> bytes:
    """Return headers and body of a reply; empty if the connection was closed."""
    headers = {"Cookie": f"session={COOKIE}", "Authorization": f"Bearer {TOKEN}"}
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if login:
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    connection = HTTPConnection(LOOPBACK, port, timeout=30)
    try:
        connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
        reply = connection.getresponse()
        return str(reply.headers).encode() + reply.read()
    except (OSError, HTTPException):
        return b""
    finally:
        connection.close()


@contextmanager
def refused_connections(stack: WholeStack) -> Iterator[None]:
    """Change the passwords of both servers during the block, and close all connections."""
    record = StackRecord.read(stack.data)
    assert record
    address = {"host": LOOPBACK, "user": USER, "dbname": "postgres", "port": record.postgres_port}
    database = psycopg2.connect(**address, password=record.postgres_password, sslmode="disable")
    database.autocommit = True
    client = redis.Redis(port=record.valkey_port, password=record.valkey_password)
    client.ping()

    def change(postgres: str, valkey: str) -> None:
        with database.cursor() as cursor:
            cursor.execute(f"ALTER ROLE {USER} PASSWORD %s", (postgres,))
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE usename = current_user AND pid <> pg_backend_pid()"
            )
        client.config_set("requirepass", valkey)
        client.client_kill_filter(skipme=True)

    try:
        change("another", "another")
        with database.cursor() as cursor, suppress(psycopg2.Error):
            cursor.execute("SELECT 1 / 0 WHERE %s <> %s", (stack.client, TOKEN))
        yield
    finally:
        change(record.postgres_password, record.valkey_password)
        database.close()
        client.close()


def wrong_passwords(stack: WholeStack, folder: Path) -> Texts:
    """Run commands with wrong passwords, with tracebacks; return their outputs."""
    record = StackRecord.read(stack.data)
    assert record
    config = folder / "wrong.conf"
    lines = ["[redis]", "host = 127.0.0.1", f"port = {record.valkey_port}", f"password = {WRONG}"]
    for section in ("database", "database_fingerprint", "database_ingest", "database_musicbrainz"):
        lines += [f"[{section}]", "host = 127.0.0.1", f"port = {record.postgres_port}"]
        lines += [f"password = {WRONG}"]
    config.write_text("\n".join(lines))
    calls = [
        ("-m", "cli.main", "--traceback", "migrate"),
        ("-m", "cli.main", "--traceback", "submissions", "failed"),
        ("-m", "cli.main", "config", "check"),
        ("-m", "celery", "-A", "tasks.application", "inspect", "ping"),
    ]
    return in_parallel(config, calls, ends=False)


def commands(stack: WholeStack) -> Texts:
    """Return the outputs of commands that describe the stack."""
    config = stack.data.config
    calls = [
        ("-m", "cli.main", "status"),
        ("-m", "cli.main", "status", "--json"),
        ("-m", "cli.main", "config", "show"),
        ("-m", "cli.main", "config", "show", "--json"),
        ("-m", "cli.main", "config", "check"),
        ("-m", "cli.main", "open"),
        ("-m", "cli.main", "ingest", "dead-letters", "list"),
        ("-m", "celery", "-A", "tasks.application", "report"),
    ]
    return in_parallel(config, calls)


def in_parallel(config: Path, calls: Sequence[Sequence[str]], *, ends: bool = True) -> Texts:
    """Run Python programs at the same time; return their outputs."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda call: run(config, call, ends=ends), calls))


def run(config: Path, arguments: Sequence[str], *, ends: bool) -> tuple[str, bytes]:
    """Run a Python program with a configuration; return its name and its output.

    Args:
        config: the configuration.
        arguments: those of Python.
        ends: whether the exit status must be 0.
    """
    name = f"output of {' '.join(arguments[1:])}"
    environ = {key: text for key, text in os.environ.items() if not key.startswith("ACOUSTID_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**environ, "ACOUSTID_CONFIG": str(config)},
        timeout=60,
    )
    assert done.stdout, name
    assert done.returncode == 0 or not ends, done.stdout
    return name, done.stdout


def processes(stack: WholeStack) -> list[psutil.Process]:
    """Return the processes of a stack: the supervisor, what it started, and their children."""
    state = RunState.load(stack.data)
    assert state
    supervisor = psutil.Process(state.supervisor.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def test_no_log_shows_a_credential(used: Used) -> None:
    logs = [(path.name, path.read_bytes()) for path in used.stack.data.log("x").parent.iterdir()]
    every = b"".join(text for _, text in logs)
    # The failures are in the logs.
    assert b"password authentication failed" in every
    assert b"division by zero" in every
    assert b"invalid username-password pair" in every or b"WRONGPASS" in every
    assert shown(used.secrets, logs) == set()


def test_no_reply_shows_a_credential(used: Used) -> None:
    assert any(b" 503" in text or b"503" in text or b"error" in text for _, text in used.replies)
    without = {name: used.secrets[name] for name in used.secrets if name != "key of the user"}
    # `/v2/user/lookup` replies with the key in the request.
    assert shown(without, used.replies) == set()


def test_no_command_shows_a_credential(used: Used) -> None:
    assert shown(used.secrets, used.outputs) == set()


def test_flower_shows_no_credential(used: Used) -> None:
    port = used.stack.port("flower")

    def page(path: str) -> bytes:
        return get(port, path, login=f"acoustid:{FLOWER}")

    found = eventually(lambda: json.loads(page("/api/workers?refresh=1").split(b"\n\n", 1)[-1]), 30)
    tasks = eventually(lambda: json.loads(page("/api/tasks").split(b"\n\n", 1)[-1]), 30)
    assert all("conf" in worker for worker in found.values())
    paths = [
        path.format(node=quote(node), task=task)
        for path in FLOWER_PAGES
        for node in list(found)[: len(found) if "{node}" in path else 1]
        for task in list(tasks)[: 20 if "{task}" in path else 1]
    ]
    texts = [(path, page(path)) for path in paths]
    texts += [(f"{path} without a login", get(port, path)) for path in FLOWER_PAGES]
    assert shown(used.secrets, texts) == set()


def test_inspections_of_workers_show_no_credential(used: Used) -> None:
    settings = load_settings(used.stack.data.config, {})
    with Celery(broker=settings.redis.url(), set_as_current=False) as app:
        app.conf.accept_content = ["json", "msgpack"]
        workers = list(eventually(lambda: app.control.ping(timeout=1)) or [])
        nodes = [name for each in workers for name in each]
        inspect = app.control.inspect(destination=nodes, timeout=5)
        calls: dict[str, Callable[[], object]] = {
            **{name: getattr(inspect, name) for name in INSPECTIONS},
            "conf with defaults": lambda: inspect.conf(with_defaults=True),
        }
        texts = [(name, json.dumps(call()).encode()) for name, call in calls.items()]
    assert b"redbeat_redis_url" in dict(texts)["conf"]
    assert shown(used.secrets, texts) == set()


def test_no_process_shows_a_credential_to_other_users(used: Used) -> None:
    lines: Texts = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            lines.append((f"arguments of {process.name()}", "\0".join(process.cmdline()).encode()))
    assert shown(used.secrets, lines) == set()


def test_no_process_has_a_credential_in_its_environment(used: Used) -> None:
    supervisor, *others = processes(used.stack)
    assert len(others) >= 7
    texts = [
        (
            f"environment of {' '.join(each.cmdline())}",
            Path(f"/proc/{each.pid}/environ").read_bytes(),
        )
        for each in others
    ]
    assert shown(used.secrets, texts) == set()
    # The test has given this variable to `acoustid up`.
    own = {name: text for name, text in used.secrets.items() if text != CLUSTER}
    environ = Path(f"/proc/{supervisor.pid}/environ").read_bytes()
    assert shown(own, [("environment of the supervisor", environ)]) == set()


def test_no_error_report_shows_a_credential(used: Used) -> None:
    eventually(lambda: any(b'"exception"' in text for text in used.sentry.texts))
    reports = [(f"report {number}", text) for number, text in enumerate(list(used.sentry.texts))]
    assert shown(used.secrets, reports) == set()


def test_no_metric_shows_a_credential(used: Used) -> None:
    eventually(lambda: used.statsd.texts)
    assert shown(used.secrets, [("metrics", b"\n".join(list(used.statsd.texts)))]) == set()


def test_no_key_of_redis_shows_a_credential(used: Used) -> None:
    settings = load_settings(used.stack.data.config, {})
    with redis.Redis.from_url(settings.redis.url()) as client:
        keys = list(client.scan_iter(count=1000))
    assert keys
    assert shown(used.secrets, [("names of keys", b"\n".join(keys))]) == set()


def test_only_files_of_credentials_contain_one(used: Used) -> None:
    data = used.stack.data
    with_credentials = {data.record, data.config, data.prepared, data.demo_lookup}
    texts = [
        (str(path.relative_to(data.root)), path.read_bytes())
        for path in private_paths(data)
        if path.is_file() and path not in with_credentials and data.valkey not in path.parents
    ]
    assert texts
    assert shown(used.secrets, texts) == set()


def private_paths(data: DataDir) -> list[Path]:
    """Return the files and directories of the data directory, except those of PostgreSQL.

    Its user must run the copies of its programs, which are made if it cannot enter the environment.
    """
    return [
        path
        for path in data.root.rglob("*")
        if not path.is_symlink()
        and (top := path.relative_to(data.root).parts[0]) != "postgres"
        and not top.startswith("programs-")
    ]


def test_only_the_owner_has_rights_to_the_files(used: Used) -> None:
    data = used.stack.data
    wrong = {
        str(path): oct(stat.S_IMODE(found.st_mode))
        for path in private_paths(data)
        if (found := path.stat())
        and (
            stat.S_IMODE(found.st_mode) != (0o700 if path.is_dir() else 0o600)
            or found.st_uid != os.geteuid()
        )
    }
    assert wrong == {}
    assert stat.S_IMODE(data.root.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    assert data.index.joinpath("lock").exists()


@needs_root
def test_another_user_cannot_stop_the_index(used: Used) -> None:
    lock = used.stack.data.index / "lock"
    taking = f"import fcntl; fcntl.flock(open({str(lock)!r}), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    done = subprocess.run(
        ["/usr/bin/python3", "-c", taking],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=30,
        **NOBODY.popen_arguments(),
    )
    assert "PermissionError" in done.stderr
