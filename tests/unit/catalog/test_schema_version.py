"""The revisions that are read from the sources are those that Alembic finds."""

from typing import get_args

import pytest
from alembic.script import ScriptDirectory

from pipeline.catalog.schema_version import MIGRATIONS, revisions
from pipeline.runtime.databases import DatabaseName


@pytest.mark.parametrize("name", get_args(DatabaseName))
def test_the_revisions_are_those_of_alembic(name: str) -> None:
    scripts = ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS / name)])
    every = {script.revision for script in scripts.walk_revisions()}
    older, newest = revisions(name)
    assert newest == scripts.get_current_head()
    assert older == every - {newest}
