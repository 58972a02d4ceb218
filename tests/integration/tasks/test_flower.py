"""Flower without the task modules, in a directory without files: address, password, tasks."""

import base64
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
from celery import Celery
from flower.urls import handlers

from cli.stack.servers.ports import free_port
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.queues import MAINTENANCE
from tests.support.polling import eventually

PUBLIC = {"/healthcheck", "/static/x", "/login", "/logout", ".*"}
"""Paths without data and without actions: checks, files of Flower, and its page "not found"."""


@dataclass(frozen=True)
class Flower:
    """A Flower process.

    Attributes:
        port: its port.
        process: the process.
        folder: its working directory, with its log and its state.
    """

    port: int
    process: psutil.Process
    folder: Path

    @property
    def password_file(self) -> Path:
        return self.folder / "state" / "acoustid" / "flower-password"

    def get(self, path: str, login: str = "", method: str = "GET") -> tuple[int, bytes]:
        """Return status and body of a reply."""
        headers = {}
        if login:
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def addresses(self) -> set[str]:
        return {
            each.laddr.ip
            for each in self.process.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        }


def environment(folder: Path, settings: Settings, **variables: str) -> dict[str, str]:
    assert settings.redis.password
    return {
        **os.environ,
        "XDG_STATE_HOME": str(folder / "state"),
        "ACOUSTID_REDIS_HOST": settings.redis.host,
        "ACOUSTID_REDIS_PORT": str(settings.redis.port),
        "ACOUSTID_REDIS_PASSWORD": settings.redis.password.get_secret_value(),
        **variables,
    }


@contextmanager
def running_flower(
    folder: Path, settings: Settings, port: int, options: Sequence[str] = (), **variables: str
) -> Iterator[Flower]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tasks.application", "flower", *options],
            cwd=folder,
            env=environment(folder, settings, **variables),
            stdout=log,
            stderr=log,
        )
    flower = Flower(port, psutil.Process(process.pid), folder)
    try:
        eventually(lambda: flower.addresses() or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield flower
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Flower]:
    """A Flower that keeps three tasks; its password is not configured."""
    folder = tmp_path_factory.mktemp("flower")
    port = free_port()
    limits = {"ACOUSTID_FLOWER_PORT": str(port), "ACOUSTID_FLOWER_MAX_TASKS": "3"}
    with running_flower(folder, settings, port, **limits) as made:
        yield made


def check_that_tasks_are_published(flower: Flower, login: str, settings: Settings) -> None:
    with connect(settings.redis) as client:
        client.delete(MAINTENANCE)
        path = "/own/api/task/async-apply/maintenance"
        assert flower.get(f"{path}.measure_queues", login, "POST")[0] == 200
        assert flower.get(f"{path}.unknown", login, "POST")[0] == 404
        assert client.llen(MAINTENANCE) == 1
        client.delete(MAINTENANCE)


def test_only_the_owner_can_read_new_files_of_flower(flower: Flower) -> None:
    status = Path(f"/proc/{flower.process.pid}/status").read_text()
    assert "Umask:\t0077" in status


def test_flower_listens_on_loopback_only(flower: Flower) -> None:
    assert flower.addresses() == {"127.0.0.1"}


def pages() -> Iterator[tuple[str, str]]:
    """Yield method and path of each of Flower's pages."""
    for rule in handlers:
        pattern, handler = rule[:2] if isinstance(rule, tuple) else (rule.regex.pattern, None)
        path = pattern.rstrip("$?").rstrip("/") or "/"
        method = "POST" if handler and "post" in vars(handler) else "GET"
        yield method, path.replace("(.+)", "x").replace("(.*)", "x")


@pytest.mark.parametrize(
    ("method", "path"), [page for page in pages() if page[1] not in PUBLIC], ids=str
)
def test_a_page_without_the_password_is_refused(flower: Flower, method: str, path: str) -> None:
    assert flower.get(path, method=method)[0] == 401
    assert flower.get(path, "acoustid:wrong", method)[0] == 401


@pytest.mark.parametrize(
    "path", [path for method, path in pages() if method == "POST" and path.startswith("/api/")]
)
def test_an_action_is_refused_with_the_password_too(flower: Flower, path: str) -> None:
    """Otherwise the password permits writing to the catalogue: tasks import submissions."""
    login = f"acoustid:{flower.password_file.read_text().strip()}"
    assert flower.get(path, login, "POST")[0] == 403


def test_the_paths_of_actions_are_known() -> None:
    """So the test above has them all, unless a new Flower adds actions at other paths."""
    posts = [path for method, path in pages() if method == "POST" and path not in PUBLIC]
    assert {"/api/task/send-task/x", "/api/worker/shutdown/x"} <= set(posts)
    assert all(path.startswith("/api/") for path in posts)


@pytest.mark.parametrize("path", ["/", "/tasks", "/metrics", "/api/tasks"])
def test_the_password_is_in_a_private_file_that_the_log_names(flower: Flower, path: str) -> None:
    password = flower.password_file.read_text().strip()
    log = (flower.folder / "log").read_text()
    assert stat.S_IMODE(flower.password_file.stat().st_mode) == 0o600
    assert str(flower.password_file) in log
    assert password not in log
    assert password not in " ".join(flower.process.cmdline())
    assert flower.get(path, f"acoustid:{password}")[0] == 200


def test_flower_keeps_a_limited_number_of_tasks(flower: Flower, settings: Settings) -> None:
    with Celery(broker=settings.redis.url(), set_as_current=False) as app:
        dispatcher = app.events.Dispatcher(app.connection_for_write(), hostname="test@host")

        def send_and_list() -> bytes:
            for number in range(5):
                dispatcher.send("task-received", uuid=f"task-{number}", name="lookup.score")
            login = f"acoustid:{flower.password_file.read_text().strip()}"
            return flower.get("/api/tasks", login)[1]

        tasks = eventually(lambda: text if b"task-4" in (text := send_and_list()) else b"")
        assert tasks.count(b"lookup.score") <= 3


def test_options_of_the_user_take_precedence(tmp_path: Path, settings: Settings) -> None:
    port = free_port()
    (tmp_path / "own.py").write_text("url_prefix = 'own'\n")
    options = ["--basic-auth=me:mine", f"--port={port}", "--conf=own.py"]
    own = {
        "FLOWER_ADDRESS": "0.0.0.0",  # noqa: S104 - the point of this test
        "ACOUSTID_FLOWER_READ_ONLY": "false",
    }
    with running_flower(tmp_path, settings, port, options, **own) as flower:
        assert flower.addresses() == {"0.0.0.0"}  # noqa: S104
        assert flower.get("/own/metrics", "me:mine")[0] == 200
        assert flower.get("/own/metrics")[0] == 401
        assert not flower.password_file.exists()
        check_that_tasks_are_published(flower, "me:mine", settings)


def test_a_password_that_cannot_be_stored_ends_flower(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "state").write_text("a file in place of the directory")
    answer = run_to_its_end(["-A", "tasks", "flower"], tmp_path, settings)
    assert answer.returncode == 1
    assert "Set [flower] password, or XDG_STATE_HOME" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_flower_refuses_another_application(tmp_path: Path, settings: Settings) -> None:
    answer = run_to_its_end(["flower", "-A", "tasks"], tmp_path, settings)
    assert answer.returncode == 1
    assert "start Flower with `celery -A tasks flower`" in answer.stderr


def run_to_its_end(
    arguments: list[str], folder: Path, settings: Settings
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "celery", *arguments, f"--port={free_port()}"],
        cwd=folder,
        env=environment(folder, settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
