"""The containers run the same commands as `acoustid up`, with existing settings.

The dependencies have no YAML parser. So each command and each health check of the file is one line
of JSON.
"""

import json
import re
from pathlib import Path

import pytest

from cli.main import COMMANDS
from cli.stack.roles import Layout, roles
from pipeline.settings.option_names import resolve_variable
from tasks.celery import app
from tasks.queues import queues_by_worker

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
LAYOUT = Layout(host="0.0.0.0", port=5000, flower_port=5555, workers=1)  # noqa: S104 - compared
WORKERS = list(queues_by_worker())
VARIABLES = sorted(set(re.findall(r"\bACOUSTID_\w+", COMPOSE)))


def services() -> dict[str, str]:
    """Return the text of each service by its name."""
    body = COMPOSE.split("\nservices:\n", 1)[1].split("\nsecrets:\n", 1)[0]
    parts = re.split(r"^  ([\w-]+):\n", body, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def command(service: str) -> list[str]:
    found = re.search(r"^    command: (\[.*\])$", services()[service], flags=re.MULTILINE)
    assert found
    arguments: list[str] = json.loads(found.group(1))
    return arguments


def up_command(role: str) -> list[str]:
    """Return the command of `acoustid up`, with the name of the program instead of the module."""
    words = next(list(each.command[2:]) for each in roles(LAYOUT) if each.name == role)
    return ["acoustid", *words[1:]] if words[0] == "cli.main" else words


def test_every_service_exists() -> None:
    workers = [f"worker-{worker.name}" for worker in WORKERS]
    servers = ["postgres", "valkey"]
    assert list(services()) == [*servers, "migrate", "api", *workers, "beat", "flower"]


@pytest.mark.parametrize(
    "service",
    ["api", *(f"worker-{worker.name}" for worker in WORKERS if not worker.is_scaled), "beat"],
)
def test_a_service_runs_the_command_of_up(service: str) -> None:
    assert command(service) == up_command(service)


@pytest.mark.parametrize("worker", [worker.name for worker in WORKERS if worker.is_scaled])
def test_scaled_workers_have_the_host_in_their_node_names(worker: str) -> None:
    first = up_command(f"worker-{worker}-1")
    expected = [part.replace(f"{worker}-1@", f"{worker}@") for part in first]
    assert command(f"worker-{worker}") == expected


@pytest.mark.parametrize("worker", [worker.name for worker in WORKERS])
def test_the_health_check_of_a_worker_pings_its_node(worker: str) -> None:
    ping = f"celery -A tasks.application inspect ping -d {worker}@$$HOSTNAME"
    assert ping in services()[f"worker-{worker}"]


def test_flower_reads_its_password_from_a_file() -> None:
    assert command("flower") == up_command("flower")[:4]
    assert "ACOUSTID_FLOWER_PASSWORD_FILE: /run/secrets/flower_password" in services()["flower"]
    assert "flower_password" in services()["flower"].split("secrets: [", 1)[1].split("]", 1)[0]
    assert '"127.0.0.1:5555:5555"' in services()["flower"]


def test_the_acoustid_commands_exist() -> None:
    assert command("api")[1] in COMMANDS
    assert command("migrate")[1] in COMMANDS
    assert app.main == "acoustid"


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_belongs_to_an_option(variable: str) -> None:
    assert resolve_variable(variable)


def test_the_file_contains_no_secret() -> None:
    assert not [name for name in VARIABLES if name.endswith(("_PASSWORD", "_SECRET"))]
    assert "POSTGRES_PASSWORD:" not in COMPOSE


@pytest.mark.parametrize(
    "service",
    ["postgres", "valkey", "api", *(f"worker-{worker.name}" for worker in WORKERS), "flower"],
)
def test_health_checks_use_programs_of_the_image(service: str) -> None:
    found = re.search(r"^      test: (\[.*\])$", services()[service], flags=re.MULTILINE)
    assert found
    kind, *words = json.loads(found.group(1))
    assert kind == "CMD"
    assert not {"wget", "curl"} & set(" ".join(words).split())


def test_the_api_container_is_healthy_if_it_can_serve() -> None:
    api = services()["api"]
    assert "http://127.0.0.1:5000/_health'" in api
    for line in ("interval: 30s", "timeout: 10s", "start_period: 40s", "retries: 3"):
        assert f"      {line}\n" in api


def test_the_image_contains_every_package() -> None:
    copied = " ".join(re.findall(r"^COPY (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    packages = {each.parent.name for each in ROOT.glob("*/__init__.py")} - {"tests"}
    assert "index_server" in packages
    for name in (
        *packages,
        "celeryconfig.py",
        "acoustid.conf.dist",
        "docs",
        "LICENSE",
        "LICENSES.md",
    ):
        assert name in copied.split()
        assert f"!{name}" in allowed
