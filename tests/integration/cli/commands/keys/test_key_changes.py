"""``acoustid keys``: changes of existing keys apply at once in front ends that cache them."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.commands.keys.keys import keys
from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import Demo, Prepared
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.catalog.app.keys.known_clients import KNOWN_CLIENTS
from pipeline.catalog.app.tables import account, application, rotated_key
from tests.support.clients.admin_commands import Run
from tests.support.polling import eventually

COMMAND = keys


def made(run: Run, *arguments: str) -> dict[str, object]:
    """Return the JSON that a successful command prints."""
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    printed: dict[str, object] = json.loads(done.stdout)
    return printed


@pytest.mark.parametrize("kind", ["application", "account"])
def test_keys_are_disabled_and_enabled_by_key_and_by_id(run, front_end, kind) -> None:
    table = front_end.applications if kind == "application" else front_end.accounts
    new = made(run, "create", f"--{kind}", "x")
    holder = table.find(new["key"])
    assert holder.id == new["id"]
    for named in ([new["key"]], [f"--{kind}", str(new["id"])], [f"--{kind}", new["key"]]):
        assert made(run, "disable", *named)["active"] is False
        eventually(lambda: table.find(new["key"]) is None)
        assert made(run, "enable", *named)["kind"] == kind
        eventually(lambda: table.find(new["key"]) == holder)


def test_a_limit_changes_at_once(run, front_end) -> None:
    new = made(run, "create", "--application", "x")
    key = new["key"]
    assert front_end.applications.find(key).rate_limit is None
    for arguments, expected in (
        (["--rate-limit", "20"], 20),
        (["--rate-limit", "0"], 0),
        (["--default"], None),
    ):
        assert made(run, "limit", str(new["id"]), *arguments)["rate_limit"] == expected
        eventually(
            lambda expected=expected: front_end.applications.find(key).rate_limit == expected
        )
    assert run("limit", key).exit_code == 2
    assert run("limit", key, "--default", "--rate-limit", "1").exit_code == 2
    user = made(run, "create", "--account", "Ada")
    assert "only applications" in run("limit", user["key"], "--default").output


def test_both_keys_are_valid_during_the_overlap_only(run, front_end) -> None:
    tables = {"application": front_end.applications, "account": front_end.accounts}
    old = {kind: made(run, "create", f"--{kind}", "x") for kind in tables}
    for kind, table in tables.items():
        assert table.find(old[kind]["key"]).valid_until is None
    new = {kind: made(run, "rotate", old[kind]["key"], "--overlap", "3s") for kind in tables}
    for kind, table in tables.items():
        assert table.find(new[kind]["key"]).id == old[kind]["id"] == new[kind]["id"]
        eventually(lambda kind=kind, table=table: table.find(old[kind]["key"]).valid_until)
    for kind, table in tables.items():
        eventually(lambda kind=kind, table=table: table.find(old[kind]["key"]) is None, seconds=6)
        assert table.find(new[kind]["key"]).id == old[kind]["id"]


def test_without_an_overlap_all_old_keys_are_refused_at_once(run, front_end) -> None:
    first = made(run, "create", "--application", "x")["key"]
    second = made(run, "rotate", first, "--valid-for", "7d")["key"]
    assert front_end.applications.find(first) is not None
    assert front_end.applications.find(second) is not None
    third = made(run, "rotate", second, "--overlap", "0")["key"]
    eventually(lambda: front_end.applications.find(first) is None)
    eventually(lambda: front_end.applications.find(second) is None)
    assert front_end.applications.find(third) is not None


def test_a_disabled_application_is_refused_with_its_old_key_too(run, front_end) -> None:
    first = made(run, "create", "--application", "x")["key"]
    made(run, "rotate", first)
    assert front_end.applications.find(first) is not None
    made(run, "disable", first)
    eventually(lambda: front_end.applications.find(first) is None)
    made(run, "enable", first)
    eventually(lambda: front_end.applications.find(first) is not None)


def test_a_key_that_is_still_valid_is_not_given_to_another_application(run) -> None:
    made(run, "create", "--application", "x", "--key", "first")
    made(run, "rotate", "first", "--overlap", "1h")
    refused = run("create", "--application", "y", "--key", "first")
    assert (refused.exit_code, "already has this key" in refused.output) == (1, True)
    made(run, "rotate", "first", "--overlap", "0")
    assert made(run, "create", "--application", "y", "--key", "first")["key"] == "first"
    made(run, "rotate", "first", "--overlap", "1h")


def test_a_wrong_duration_is_refused(run) -> None:
    key = made(run, "create", "--application", "x")["key"]
    for duration in ("-1", "1", "1x", "", "1e9d", "99999d", "999999999w", "nan"):
        done = run("rotate", key, "--overlap", duration)
        assert (done.exit_code, "--overlap" in done.output) == (2, True), duration


def test_the_demo_key_is_not_rotated(run, databases) -> None:
    with databases.engine("app").begin() as connection:
        ensure_demo(connection)
    assert "demo application" in run("rotate", "8XaBELgH").output


@pytest.mark.parametrize("overlap", ["0", "1h"])
def test_the_stack_shows_the_new_key_of_the_demo_user(run, databases, overlap: str) -> None:
    with databases.engine("app").begin() as connection:
        demo = ensure_demo(connection)
    other = made(run, "create", "--account", "Ada")["key"]
    data = DataDir.at(Path(".acoustid"))
    data.create()
    Prepared(Demo(demo.application_key, demo.user_key)).save(data.prepared)
    made(run, "rotate", other, "--overlap", overlap)
    assert Prepared.load(data.prepared).demo == Demo("8XaBELgH", demo.user_key)
    new = made(run, "rotate", "--account", demo.user_key, "--overlap", overlap)["key"]
    assert Prepared.load(data.prepared).demo == Demo("8XaBELgH", new)
    assert data.prepared.stat().st_mode & 0o777 == 0o600


def test_a_key_of_an_application_and_of_a_user_is_ambiguous(run, databases) -> None:
    new = made(run, "create", "--application", "x", "--key", "both")
    user = made(run, "create", "--account", "Ada")
    with databases.engine("app").begin() as connection:
        connection.execute(
            sa.update(account).where(account.c.id == user["id"]).values(apikey="both")
        )
    done = run("disable", "both")
    assert f"application {new['id']}, account {user['id']}" in done.output
    assert made(run, "disable", "--account", "both")["id"] == user["id"]


def test_an_unknown_holder_is_an_error(run) -> None:
    for command in ("disable", "enable", "rotate", "show"):
        for arguments in (["nobody"], ["7777"], ["--account", "nobody"], ["x" * 500]):
            done = run(command, *arguments)
            assert (done.exit_code, "there is no" in done.output) == (1, True)
        assert run(command).exit_code == 2
        assert run(command, "a", "--account", "b").exit_code == 2


def test_known_clients_are_registered_once(run, front_end, databases) -> None:
    done = run("register-client", "picard", "beets", "picard", "--rate-limit", "5")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["client"], line["key"], line["new"]) for line in lines] == [
        ("picard", "v8pQ6oyB", True),
        ("beets", "1vOwZtEn", True),
    ]
    assert front_end.applications.find("v8pQ6oyB").rate_limit == 5
    made(run, "limit", "v8pQ6oyB", "--rate-limit", "9")
    again = [json.loads(line) for line in run("register-client", "--all").stdout.splitlines()]
    assert {line["client"]: line["new"] for line in again} == {
        name: name not in {"picard", "beets"} for name in KNOWN_CLIENTS
    }
    eventually(lambda: front_end.applications.find("v8pQ6oyB").rate_limit == 9)
    with databases.engine("app").connect() as connection:
        stored = connection.execute(sa.select(application.c.apikey)).scalars().all()
    assert sorted(stored) == sorted(each.key for each in KNOWN_CLIENTS.values())
    made(run, "disable", "1vOwZtEn")
    assert "beets is disabled" in run("register-client", "beets").stderr
    assert run("register-client").exit_code == 2
    assert run("register-client", "winamp").exit_code == 2


def test_only_commands_for_keys_print_keys(run, databases) -> None:
    first = made(run, "create", "--application", "x")["key"]
    second = made(run, "rotate", first)["key"]
    user = made(run, "create", "--account", "Ada")["key"]
    printed = "".join(
        run(*arguments).output
        for arguments in (
            ["list"],
            ["list", "--json"],
            ["list", "--users"],
            ["list", "--accounts", "--json"],
            ["show", first],
            ["show", second, "--json"],
            ["show", user],
            ["disable", user],
            ["limit", first, "--rate-limit", "1"],
        )
    )
    assert not [key for key in (first, second, user) if str(key) in printed]
    assert run("show", first, "--reveal").output.count(str(second)) == 1
    with databases.engine("app").connect() as connection:
        assert connection.scalar(sa.select(rotated_key.c.apikey)) == first


def test_an_id_has_precedence_over_a_key_of_digits(run: Run) -> None:
    first = json.loads(run("create", "--application", "first").stdout)["id"]
    odd = json.loads(run("create", "--application", "odd", "--key", str(first)).stdout)["id"]
    unclear = run("disable", str(first))
    assert unclear.exit_code == 1
    assert f"application {first}, application {odd}; name one by its id" in unclear.output
    for number, name in ((first, "first"), (odd, "odd")):
        shown = json.loads(run("show", "--application", str(number), "--json").stdout)
        assert (shown["id"], shown["name"]) == (number, name)
