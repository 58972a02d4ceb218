"""``acoustid keys``: keys are valid at once; invalid arguments are errors."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.access.keys import ApiKeys
from api.access.redis_outage import RedisCircuitBreaker
from api.http.parameters import Parameters
from cli.commands.keys.keys import keys
from cli.stack.servers.ports import free_port
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tests.support.clients.admin_commands import Run
from tests.support.processes.workers import write_config

COMMAND = keys


@pytest.fixture
def new_front_end(settings: Settings, databases: Databases) -> Iterator[Callable[[], ApiKeys]]:
    """Return a function that creates the `ApiKeys` of another front-end process."""
    with connect(settings.redis) as client:
        made: list[ApiKeys] = []

        def make() -> ApiKeys:
            made.append(ApiKeys(databases, client, RedisCircuitBreaker(), demo=False))
            return made[-1]

        yield make
        for each in made:
            each.close()


def client(key: str) -> Parameters:
    return Parameters([("client", key)])


def test_a_new_application_key_is_valid(run: Run, new_front_end) -> None:
    made = json.loads(run("create", "--application", "Picard", "--rate-limit", "2.5").stdout)
    assert set(made) == {"kind", "id", "name", "key", "rate_limit"}
    assert (made["kind"], made["name"], made["rate_limit"]) == ("application", "Picard", 2.5)
    found = new_front_end().application(client(made["key"]))
    assert (found.id, found.name, found.rate_limit) == (made["id"], "Picard", 2.5)


def test_a_given_key_belongs_to_one_application(run: Run, new_front_end) -> None:
    made = json.loads(run("create", "--application", "Picard", "--key", "v8pQ6oyB").output)
    assert made["key"] == "v8pQ6oyB"
    assert new_front_end().application(Parameters([("client", "v8pQ6oyB")])).id == made["id"]
    again = run("create", "--application", "Other", "--key", "v8pQ6oyB")
    assert again.exit_code == 1
    assert "another application already has this key" in again.output


@pytest.mark.parametrize("kind", ["--application", "--account"])
def test_a_name_can_be_read_in_a_list(run: Run, kind: str) -> None:
    for name in ("", " ", "\t", "a\tb", "a\nb", "a\x1b[2Jb", "\u2028a\u2028b", "x" * 256):
        assert run("create", kind, name).exit_code == 2, name
    assert json.loads(run("create", kind, "  Ada Lovelace é ").stdout)["name"] == "Ada Lovelace é"
    assert "Ada Lovelace é" in run("list", "--name", "ada").stdout + run("list", "--users").stdout


@pytest.mark.parametrize("kind", ["--application", "--account"])
@pytest.mark.parametrize("name", ["acoustid_bot", " Acoustid_Bot"])
def test_the_name_of_the_service_is_refused(run: Run, kind: str, name: str) -> None:
    refused = run("create", kind, name)
    assert refused.exit_code == 1
    assert "the name acoustid_bot is that of the service's own account" in refused.output
    assert json.loads(run("list", "--json").stdout) == []


def test_a_new_user_key_is_valid(run: Run, new_front_end) -> None:
    made = json.loads(run("create", "--account", "Ada").stdout)
    assert set(made) == {"kind", "id", "name", "key"}
    found = new_front_end().account(Parameters([("user", made["key"])]))
    assert (found.id, found.name) == (made["id"], "Ada")


def test_a_disabled_key_is_refused_and_an_enabled_one_accepted(run: Run, new_front_end) -> None:
    made = json.loads(run("create", "--application", "x").stdout)
    new_front_end().application(client(made["key"]))
    done = run("disable", "--application", str(made["id"]))
    assert json.loads(done.stdout) == {
        "kind": "application",
        "id": made["id"],
        "name": "x",
        "active": False,
    }
    assert new_front_end().applications.find(made["key"]) is None
    run("enable", "--application", str(made["id"]))
    assert new_front_end().application(client(made["key"])).id == made["id"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "either --application NAME or --account NAME"),
        (["--application", "a", "--account", "b"], "either"),
        (["--account", "b", "--rate-limit", "1"], "--rate-limit is for applications"),
        (["--application", "a", "--rate-limit", "-1"], "-1"),
        (["--application", ""], "1 to 255 characters"),
    ],
)
def test_invalid_combinations_of_options_are_refused(
    run: Run, arguments: list[str], hint: str
) -> None:
    done = run("create", *arguments)
    assert done.exit_code == 2
    assert hint in done.output


def test_an_unknown_application_is_an_error(run: Run) -> None:
    done = run("disable", "--application", "99")
    assert done.exit_code == 1
    assert "there is no application 99" in done.output


def test_a_key_is_created_without_redis(run: Run, settings: Settings, tmp_path: Path) -> None:
    write_config(
        settings.model_copy(
            update={"redis": settings.redis.model_copy(update={"port": free_port()})}
        ),
        tmp_path / "acoustid.conf",
    )
    done = run("create", "--application", "x")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["key"]
    assert "Redis is unreachable" in done.stderr


def test_the_error_names_an_unreachable_database(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    elsewhere = settings.database.model_copy(update={"port": free_port()})
    write_config(settings.model_copy(update={"database": elsewhere}), tmp_path / "acoustid.conf")
    done = run("create", "--application", "x")
    assert done.exit_code == 1
    assert f"database {settings.database.name} is unreachable" in done.output


def test_data_dir_selects_the_stack(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACOUSTID_CONFIG")
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "acoustid.conf").rename(data / "acoustid.conf")
    done = run("create", "--application", "x", "--data-dir", str(data))
    assert json.loads(done.stdout)["name"] == "x"


def test_the_longest_key_that_can_be_created_is_accepted(run: Run, new_front_end) -> None:
    made = json.loads(run("create", "--application", "x", "--key", "k" * 100).stdout)
    assert new_front_end().application(client("k" * 100)).id == made["id"]


def test_limits_and_keys_of_a_wrong_form_are_refused(run: Run) -> None:
    for arguments, hint in (
        (["--application", "a", "--rate-limit", "nan"], "nan"),
        (["--application", "a", "--rate-limit", "inf"], "inf"),
        (["--account", "b", "--key", ""], "--key is for applications"),
        (["--application", "a", "--key", ""], "at least one character"),
        (["--application", "a", "--key", "x" * 101], "at most 100 characters, not 101"),
        (["--application", "a", "--key", "a b"], "no spaces"),
        (["--application", "a", "--key", " ab"], "no spaces"),
        (["--application", "a", "--key", "a\tb"], "no control characters"),
        (["--application", "a", "--key", "ab\n"], "no control characters"),
        (["--application", "a", "--key", "a\u00a0b"], "no spaces"),
    ):
        done = run("create", *arguments)
        assert (done.exit_code, hint in done.output) == (2, True), arguments
