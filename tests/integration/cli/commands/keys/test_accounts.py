"""``acoustid accounts``: lists accounts, makes admins, and deletes accounts for ever."""

import json
from uuid import uuid4

import pytest
import sqlalchemy as sa

from api.access.keys import ApiKeys
from api.http.errors import NotAllowedError
from api.http.parameters import Parameters
from cli.commands.keys.accounts import accounts as accounts_command
from cli.commands.keys.keys import keys
from pipeline.catalog import migrate
from pipeline.catalog.app import accounts
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.catalog.app.tables import (
    account,
    account_google,
    account_openid,
    application,
    rotated_key,
)
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.admin_commands import Run, command_runner
from tests.support.polling import eventually

COMMAND = accounts_command
PERSONAL = ("Ada Lovelace", "ada_mb", "192.0.2.7", "google-ada", "openid-ada", "ada@example.org")


@pytest.fixture
def importer(databases: Databases, settings: Settings) -> Importer:
    """Imports submissions of an account that has all kinds of personal data."""
    importer = Importer(databases, settings.fingerprint_index.path)
    values = {
        "name": PERSONAL[0],
        "mbuser": PERSONAL[1],
        "created_from": PERSONAL[2],
        "lastlogin": sa.func.now(),
        "application_id": importer.application_id,
        "application_version": "3",
        "is_admin": True,
    }
    number = importer.account_id
    with databases.engine("app").begin() as connection:
        connection.execute(sa.update(account).values(values))
        connection.execute(
            sa.insert(account_google).values(google_user_id=PERSONAL[3], account_id=number)
        )
        connection.execute(sa.insert(account_openid).values(openid=PERSONAL[4], account_id=number))
        connection.execute(sa.update(application).values(email=PERSONAL[5], website=PERSONAL[5]))
    importer.run(
        *(importer.receipt(fingerprint(seed), 200 + 30 * seed) for seed in range(3)), index=False
    )
    return importer


def everything(databases: Databases) -> str:
    """Return the text of all rows of the app and the ingest database."""
    texts = []
    for name in ("app", "ingest"):
        with databases.engine(name).connect() as connection:
            for table in migrate.METADATA[name].sorted_tables:
                rows = connection.execute(sa.text(f"SELECT t::text FROM {table.name} t"))  # noqa: S608
                texts += rows.scalars()
    return "\n".join(texts)


def user_key(databases: Databases, number: int) -> str:
    with databases.engine("app").connect() as connection:
        return str(connection.scalar(sa.select(account.c.apikey).where(account.c.id == number)))


def test_a_deleted_account_leaves_its_contributions_and_nothing_else(
    run: Run, importer: Importer, front_end: ApiKeys, tmp_path, settings, monkeypatch
) -> None:
    databases, number = importer.databases, importer.account_id
    old = user_key(databases, number)
    rotate = command_runner(keys, settings, tmp_path, monkeypatch)
    assert rotate("rotate", old).exit_code == 0
    new = user_key(databases, number)
    assert front_end.accounts.find(old).id == front_end.accounts.find(new).id == number
    assert all(text in everything(databases) for text in (*PERSONAL, old, new))

    done = run("delete", PERSONAL[0], "--yes", "--disable-applications")
    assert json.loads(done.stdout) == {
        "id": number,
        "name": "deleted",
        "contributions": 3,
        "applications": [importer.application_id],
    }
    for key in (old, new):
        eventually(lambda key=key: front_end.accounts.find(key) is None)
        assert front_end.accounts.find_uncached(key) is None
    assert [text for text in (*PERSONAL, old, new) if text in everything(databases)] == []
    with databases.engine("app").connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(rotated_key)) == 0
        assert accounts.find_account_by_id(connection, number) is None
    listed = json.loads(run("list", "--json").stdout)
    assert listed["deleted"] == {"accounts": 1, "contributions": 3}
    assert number not in {each["id"] for each in listed["accounts"]}
    assert run("list").stdout.splitlines()[-1].split()[1] == "deleted"
    shown = json.loads(run("show", str(number), "--json").stdout)
    assert (shown["name"], shown["contributions"], shown["active"]) == ("deleted", 3, False)
    assert "key" not in shown
    # A second deletion finds nothing, and neither id nor placeholder is a key.
    for text in (str(number), PERSONAL[0], old, "deleted", f"deleted {number}"):
        assert run("delete", text, "--yes").exit_code == 1
        assert front_end.accounts.find_uncached(text) is None
    with databases.engine("app").begin() as connection:
        again, _ = accounts.ensure_musicbrainz_account(connection, PERSONAL[1])
        assert again.id > number


def test_pending_submissions_of_a_deleted_account_are_imported(
    run: Run, importer: Importer
) -> None:
    _, ids = importer.receive([importer.receipt(fingerprint(9), 500)])
    run("delete", str(importer.account_id), "--yes", "--disable-applications")
    importer.persist(importer.match(ids))
    assert [each.state for each in importer.statuses(ids)] == ["imported"]
    assert json.loads(run("list", "--json").stdout)["deleted"]["contributions"] == 4


def test_an_account_with_applications_is_deleted_only_with_an_option(
    run: Run, importer: Importer, front_end: ApiKeys
) -> None:
    databases = importer.databases
    with databases.engine("app").begin() as connection:
        heir = accounts.create_account(connection, "Heir")
        [key] = connection.execute(sa.select(application.c.apikey)).scalars()
    number = str(importer.account_id)
    refused = run("delete", number, "--yes")
    assert refused.exit_code == 1
    assert f"{importer.application_id} (Tests)" in refused.output
    assert PERSONAL[0] in everything(databases)
    assert run("delete", number, "--yes", "--applications-to", number).exit_code == 1
    assert run("delete", number, "--yes", "--applications-to", "nobody").exit_code == 1
    assert front_end.applications.find(key) is not None
    assert run("delete", number, "--yes", "--applications-to", "Heir").exit_code == 0
    assert front_end.applications.find_uncached(key) is not None
    with databases.engine("app").connect() as connection:
        row = connection.execute(sa.select(application)).one()
    assert (row.account_id, row.email, row.website) == (heir.id, None, None)


def test_applications_are_disabled_with_their_account(
    run: Run, importer: Importer, front_end: ApiKeys
) -> None:
    with importer.databases.engine("app").connect() as connection:
        [key] = connection.execute(sa.select(application.c.apikey)).scalars()
    assert front_end.applications.find(key) is not None
    assert run("delete", PERSONAL[1], "--yes", "--disable-applications").exit_code == 0
    eventually(lambda: front_end.applications.find(key) is None)


def test_a_deletion_is_confirmed(run: Run, importer: Importer) -> None:
    arguments = ("delete", str(importer.account_id), "--disable-applications")
    assert run(*arguments, input="n\n").exit_code == 1
    assert run(*arguments, input="").exit_code == 1
    assert PERSONAL[0] in everything(importer.databases)
    assert run(*arguments, input="y\n").exit_code == 0
    assert PERSONAL[0] not in everything(importer.databases)


def test_accounts_of_the_service_are_not_deleted(run: Run, databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        bot = accounts.ensure_bot_account(connection)
        ensure_demo(connection)
        demo = connection.scalar(sa.select(application.c.account_id))
        other, _ = accounts.ensure_musicbrainz_account(connection, accounts.BOT_NAME)
    assert "the service changes links" in run("delete", str(bot), "--yes").output
    done = run("delete", str(demo), "--yes", "--disable-applications")
    assert "demo application" in done.output
    assert run("delete", str(other.id), "--yes").exit_code == 0


def test_admins_are_made_by_id_by_key_and_by_name(
    run: Run, databases: Databases, front_end: ApiKeys
) -> None:
    with databases.engine("app").begin() as connection:
        ada = accounts.create_account(connection, "Ada")
        for _ in range(2):
            accounts.create_account(connection, "Twin")
    parameters = Parameters([("user", ada.key)])
    assert front_end.account(parameters).is_admin is False
    for name in (str(ada.id), ada.key, "Ada"):
        assert json.loads(run("admin", name).stdout) == {
            "id": ada.id,
            "name": "Ada",
            "admin": True,
        }
        eventually(lambda: front_end.account(parameters).is_admin)
        assert front_end.admin(parameters).id == ada.id
        assert [
            each["name"]
            for each in json.loads(run("list", "--admins", "--json").stdout)["accounts"]
        ] == ["Ada"]
        assert run("admin", name, "--revoke").exit_code == 0
        eventually(lambda: not front_end.account(parameters).is_admin)
        with pytest.raises(NotAllowedError):
            front_end.admin(parameters)
    assert "several accounts" in run("admin", "Twin").output
    assert "no such account" in run("admin", "Nobody").output
    assert "there is no account '99'" in run("admin", "99").output


def test_an_account_is_described_without_its_key(run: Run, importer: Importer) -> None:
    key = user_key(importer.databases, importer.account_id)
    found = json.loads(run("show", PERSONAL[1].upper(), "--json").stdout)
    assert found["contributions"] == 3
    assert found["applications"] == [{"id": importer.application_id, "name": "Tests"}]
    assert (found["admin"], found["active"], found["name"]) == (True, True, PERSONAL[0])
    for output in (json.dumps(found), run("show", key).output, run("list").output):
        assert key not in output


def test_control_characters_of_a_name_are_not_printed(run: Run, databases: Databases) -> None:
    with databases.engine("app").begin() as connection:
        accounts.create_account(connection, f"\x1b[31m{uuid4().hex[:4]}\nline")
    output = run("list").output
    assert "\x1b" not in output
    assert len(output.splitlines()) == 2
