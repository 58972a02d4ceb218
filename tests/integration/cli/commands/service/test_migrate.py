"""``acoustid migrate`` refuses a database that a newer version made."""

from cli.commands.service.migrate import migrate
from pipeline.settings.sections import Settings
from tests.support.catalogue.revisions import at_revision
from tests.support.clients.admin_commands import Run

COMMAND = migrate


def test_a_database_of_a_newer_version_is_an_error_with_the_action(
    run: Run, settings: Settings
) -> None:
    with at_revision(settings.database, "app", "app_9999"):
        answer = run()
    assert answer.exit_code == 1
    assert answer.output.splitlines()[-1] == (
        "Error: the database app was made by a newer version: install that version, or restore "
        "the backup (docs/runbook.md#upgrade)"
    )
