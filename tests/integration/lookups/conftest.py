"""Fixtures: a catalogue, and an index of it that is searched while it is usable."""

from pathlib import Path

import pytest

from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import old_catalogue, trusted
from tests.support.clock import Clock


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    """A catalogue whose changelog is an hour old; the index does not exist yet."""
    return old_catalogue(databases, index_path)


@pytest.fixture
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def index(databases: Databases, index_path: Path, clock: Clock) -> TrustedIndex:
    return trusted(databases, index_path, clock)
