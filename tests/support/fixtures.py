"""Fixtures for tests that use the databases, a script's context or a real fingerprint."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis

from pipeline.fingerprint.codec import decode
from pipeline.fingerprint.words import Words
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.recordings import recordings
from tests.support.processes.scratch_redis import on_scratch, scratch_redis


@dataclass(frozen=True)
class Script:
    """The context of a script, on real and empty servers.

    Attributes:
        settings: the addresses of the servers; the index and the store do not exist yet.
        databases: the four databases.
        redis: a client of the settings' Redis database.
    """

    settings: Settings
    databases: Databases
    redis: redis.Redis


@pytest.fixture
def with_database(databases: Databases) -> Databases:
    """The four databases, emptied; `requires_database` is the decorator."""
    return databases


@pytest.fixture
def with_script(settings: Settings, with_database: Databases) -> Iterator[Script]:
    """Settings, emptied databases and an empty Redis; `requires_script` is the decorator."""
    with scratch_redis(settings) as client:
        yield Script(on_scratch(settings), with_database, client)


@pytest.fixture(scope="session")
def fingerprint_fixture() -> Words:
    """The fingerprint of a real recording: shape (n,), uint32, read-only."""
    words = decode(recordings()[0].original.fingerprint).words
    words.setflags(write=False)
    return words
