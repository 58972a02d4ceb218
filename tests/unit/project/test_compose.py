"""The containers run the same commands as `acoustid up`, with existing settings."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.http.bodies import MAX_BODY
from api.http.errors import ServiceUnavailableError
from cli.main import COMMANDS
from cli.stack.roles import Layout, roles
from pipeline.settings.load import load_settings
from pipeline.settings.option_names import resolve_variable
from pipeline.settings.sections import HttpSettings
from tasks.celery import app
from tasks.queues import queues_by_worker
from tests.support.compose_file import (
    COMPOSE,
    ROOT,
    TLS,
    command,
    environment,
    environment_or_nothing,
    options,
    services,
    volumes,
    words,
)
from tests.support.packages import PACKAGES

LAYOUT = Layout(
    host="0.0.0.0",  # noqa: S104 - compared
    port=5000,
    flower_port=5555,
    workers=1,
    uses_nats=True,
    excerpt_queue=True,
)
WORKERS = list(queues_by_worker(excerpt_queue=True))
VARIABLES = sorted(set(re.findall(r"\bACOUSTID_\w+", COMPOSE + TLS)))


def up_command(role: str) -> list[str]:
    """Return the command of `acoustid up`, with the name of the program instead of the module."""
    words = next(list(each.command[2:]) for each in roles(LAYOUT) if each.name == role)
    return ["acoustid", *words[1:]] if words[0] == "cli.main" else words


def test_every_service_exists() -> None:
    workers = [f"worker-{worker.name}" for worker in WORKERS]
    servers = ["postgres", "valkey"]
    assert list(services()) == [
        *(*servers, "migrate", "owner", "api", *workers, "beat", "flower"),
        *("nats", "ingest-nats"),
    ]


@pytest.mark.parametrize(
    "service",
    [
        *("api", "beat", "ingest-nats"),
        *(f"worker-{worker.name}" for worker in WORKERS if not worker.is_scaled),
    ],
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
    assert "flower_password" in words("flower", "secrets")
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


@pytest.mark.parametrize("service", list(services()))
def test_a_container_has_no_rights_that_it_does_not_need(service: str) -> None:
    found = options(service)
    assert found["cap_drop"] == "[ALL]"
    assert "cap_add" not in found
    assert "no-new-privileges:true" in found["security_opt"]
    assert found["read_only"] == "true"
    assert "mode=1777" in found["tmpfs"]
    assert found["user"] not in {"root", '"0"', '"0:0"'}
    assert re.fullmatch(r"\d+[mg]", found["mem_limit"].split("\n")[0])
    assert int(found["pids_limit"].split()[0]) > 0


@pytest.mark.parametrize("service", list(services()))
def test_a_container_has_only_its_own_secrets(service: str) -> None:
    expected = {
        "postgres": {"database_owner_password", "database_password"},
        "valkey": {"redis_password"},
        "migrate": {"database_owner_password"},
        "owner": {"database_owner_password", "redis_password"},
        "api": {"database_password", "redis_password", "cluster_secret"},
        "beat": {"redis_password"},
        "flower": {"redis_password", "flower_password"},
        "nats": {"nats_token"},
        "ingest-nats": {"database_password", "redis_password", "nats_token"},
    }
    assert words(service, "secrets") == expected.get(
        service, {"database_password", "redis_password"}
    )


@pytest.mark.parametrize("service", list(services()))
def test_a_container_has_each_secret_that_its_environment_names(service: str) -> None:
    found = options(service)
    if "environment" not in found:
        assert service in {"valkey", "nats"}
        return
    files = re.findall(r"/run/secrets/(\w+)", " ".join(environment(service).values()))
    assert files
    assert set(files) <= words(service, "secrets")


def test_every_secret_is_made_and_declared() -> None:
    declared = set(re.findall(r"^  (\w+): \{file: \.acoustid/secrets/\1\}$", COMPOSE, re.MULTILINE))
    made = re.search(r"@for name in ((?:[a-z_]+ ?)+);", (ROOT / "Makefile").read_text())
    assert made
    assert set(made.group(1).split()) == declared
    assert declared == set().union(*(words(each, "secrets") for each in services()))


def test_a_container_mounts_only_files_that_it_needs() -> None:
    """Compiled loops are programs, so containers with other rights do not share them."""
    files = {
        "migrate": {"index", "fingerprints", "sketch", "compiled-owner", "nats"},
        "owner": {"index", "fingerprints", "sketch", "compiled-owner"},
        "api": {"compiled-api"},
        "beat": set(),
        "flower": set(),
        "ingest-nats": {"compiled-ingest"},
        **{
            f"worker-{each.name}": {"index", "fingerprints", "sketch", "compiled-workers"}
            for each in WORKERS
        },
    }
    assert {each: volumes(each) for each in files} == files
    declared = set(re.findall(r"^  ([\w-]+):$", COMPOSE.split("\nvolumes:\n")[1], re.MULTILINE))
    assert declared == set().union(*files.values()) | {"postgres", "valkey"}


def test_the_directory_of_the_secrets_becomes_private(tmp_path: Path) -> None:
    directory = tmp_path / ".acoustid" / "secrets"
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    make = ["make", "-f", str(ROOT / "Makefile"), "secrets", f"PYTHON={sys.executable}"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert directory.joinpath("redis_password").stat().st_mode & 0o777 == 0o644


def test_only_the_application_reaches_the_servers() -> None:
    networks = {each: words(each, "networks") for each in services()}
    assert networks["postgres"] == networks["valkey"] == {"backend"}
    outside = {each for each, names in networks.items() if "frontend" in names}
    assert outside == {"api", "flower", "nats"}
    assert "  backend:\n    internal: true\n" in COMPOSE
    assert options("proxy", TLS)["networks"] == "[frontend]"


def test_ports_are_published_on_the_loopback_address_only() -> None:
    published = {name: options(name)["ports"] for name in services() if "ports" in options(name)}
    assert set(published) == {"api", "flower", "nats"}
    assert all(ports.startswith('["127.0.0.1:') for ports in published.values())


def test_only_migrate_and_commands_are_the_owner_of_the_tables() -> None:
    users = {
        service: {text for name, text in environment(service).items() if name.endswith("_USER")}
        for service in services()
        if "ACOUSTID_DATABASE_HOST" in environment_or_nothing(service)
    }
    assert users.pop("migrate") == users.pop("owner") == {"acoustid_owner"}
    assert options("owner")["profiles"] == "[owner]"
    assert set(users) == {"api", "ingest-nats", *(f"worker-{worker.name}" for worker in WORKERS)}
    assert all(found == {"acoustid_service"} for found in users.values())


def test_the_roles_of_the_containers_are_those_of_the_script() -> None:
    script = (ROOT / "deploy" / "postgres" / "roles.sql").read_text()
    for word in ("acoustid_owner", "acoustid_service", "database_owner_password"):
        assert word in script
    assert "./deploy/postgres:/docker-entrypoint-initdb.d:ro" in options("postgres")["volumes"]


def test_the_tls_proxy_is_restricted_and_trusted() -> None:
    found = options("proxy", TLS)
    assert found["cap_drop"] == "[ALL]"
    assert "no-new-privileges:true" in found["security_opt"]
    assert found["read_only"] == "true"
    assert found["user"] == '"101:101"'
    assert 'ACOUSTID_API_TRUSTED_PROXIES: "1"' in services(TLS)["api"]
    # A directory of mode 0700 in a container is closed to the user of the proxy.
    assert "- ./.acoustid/tls/live:/etc/nginx/tls:ro" in found["volumes"]
    assert "install -d -m 755 .acoustid/tls/live" in TLS
    # Otherwise a client of the host could reach the API directly and write the trusted header.
    assert options("api", TLS)["ports"].startswith("!reset []")
    configuration = (ROOT / "deploy" / "tls" / "nginx.conf").read_text()
    assert not re.search(r"\$(request|args|query_string|request_uri)\b", configuration)
    blocks = configuration.split("\nserver {\n")[1:]
    assert len(blocks) == 2
    for block in blocks:  # otherwise the logs of the image have the query string, and so keys
        assert "    access_log /dev/stdout without_query;\n" in block
        assert "    error_log /dev/stderr emerg;\n" in block
    assert f"client_max_body_size {MAX_BODY // 2**20}m;" in configuration
    assert "listen 8443 ssl" in configuration


def test_clients_without_the_proxy_share_a_higher_limit_of_their_address() -> None:
    variable = "ACOUSTID_CLUSTER_RATE_LIMITER_IP_LIMIT"
    assert environment("api")[variable] == '"10"'
    assert f"{variable}: !reset null" in services(TLS)["api"]


def test_the_proxy_replies_with_an_error_of_the_service_while_the_api_is_away() -> None:
    configuration = (ROOT / "deploy" / "tls" / "nginx.conf").read_text()
    body = re.search(r"return 503 '(.*)';", configuration)
    assert body
    assert json.loads(body.group(1)) == ServiceUnavailableError().body()
    assert "error_page 502 504 =503 @away;" in configuration
    assert "add_header Retry-After " in configuration
    # Two equal times would let the API close a connection on which a request is sent.
    kept = re.search(r"keepalive_timeout (\d+)s;", configuration)
    assert kept
    assert int(kept.group(1)) < HttpSettings().idle_timeout


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
    assert "index_server" in PACKAGES
    for name in (
        *PACKAGES,
        "celeryconfig.py",
        "acoustid.conf.dist",
        "docs",
        "LICENSE",
        "LICENSES.md",
    ):
        assert name in copied.split()
        assert f"!{name}" in allowed


def test_nats_is_used_with_its_profile_only() -> None:
    """Without the file .env, Compose sets empty texts, which mean no servers."""
    assert options("nats")["profiles"] == options("ingest-nats")["profiles"] == "[nats]"
    for service in ("api", "ingest-nats", *(f"worker-{worker.name}" for worker in WORKERS)):
        found = environment(service)
        assert found["ACOUSTID_NATS_SERVERS"] == "${ACOUSTID_NATS_SERVERS:-}"
        assert found["ACOUSTID_NATS_PUBLISH_SUBJECT"] == "${ACOUSTID_NATS_PUBLISH_SUBJECT:-}"
    empty = dict.fromkeys(("ACOUSTID_NATS_SERVERS", "ACOUSTID_NATS_PUBLISH_SUBJECT"), "")
    settings = load_settings(environ=empty)
    assert not settings.nats.servers
    assert settings.nats.publish_subject is None


def test_excerpts_have_a_queue_of_their_own_with_their_profile_only() -> None:
    """Each process that publishes or takes tasks has the setting."""
    assert options("worker-excerpt")["profiles"] == "[excerpts]"
    for service in ("api", "beat", "flower", *(f"worker-{worker.name}" for worker in WORKERS)):
        assert environment(service)["ACOUSTID_CELERY_EXCERPT_QUEUE"] == (
            "${ACOUSTID_CELERY_EXCERPT_QUEUE:-false}"
        )


def test_the_token_of_nats_is_no_argument() -> None:
    [program, _, script] = command("nats")
    assert program == "sh"
    assert "$$(cat /run/secrets/nats_token)" in script
    assert script.endswith("exec nats-server -c /run/nats/nats.conf")
