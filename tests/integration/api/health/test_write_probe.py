"""The probe of writes leaves no process at a server whose synchronous standby is gone."""

import sqlalchemy as sa
from sqlalchemy import event

from api.health.probes import write_database
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings


def test_the_commit_of_the_probe_waits_for_no_standby(settings: Settings) -> None:
    """Such a wait would end neither by a time limit nor when the client closes the connection."""
    databases = Databases(settings)
    engine = databases.engine("app")
    at_commit: list[str] = []

    def note(connection: sa.Connection) -> None:
        at_commit.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar_one())

    event.listen(engine, "commit", note)
    write_database(databases, "app", deadline=5)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() != "local"
    databases.dispose()
    assert at_commit == ["local"]
