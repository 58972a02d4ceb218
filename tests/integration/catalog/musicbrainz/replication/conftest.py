"""Fixtures of the tests of packets."""

from collections.abc import Iterator

import pytest

from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.musicbrainz.copies import Copy, followed_copy


@pytest.fixture(scope="module")
def databases(settings: Settings) -> Iterator[Databases]:
    """The four databases. They are not emptied: only the copy of MusicBrainz matters."""
    databases = Databases(settings, component="tests")
    yield databases
    databases.dispose()


@pytest.fixture
def copy(databases: Databases) -> Copy:
    """A copy that can be followed."""
    return followed_copy(databases)
