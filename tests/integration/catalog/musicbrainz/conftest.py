"""A database with an old copy of MusicBrainz, and dumps."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli.sample.recordings import MUSICBRAINZ
from pipeline.catalog import migrate
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.dump.schemas import NEW, OLD
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.musicbrainz_archives import write_archive
from tests.support.processes.servers import Servers


@pytest.fixture(scope="session")
def own(servers: Servers) -> Settings:
    """Four databases for the tests of this folder."""
    settings = servers.settings("_dump")
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    return settings


@pytest.fixture
def engine(own: Settings) -> Iterator[sa.Engine]:
    """The engine of the MusicBrainz database, which has one recording of an earlier dump."""
    databases = Databases(own)
    engine = databases.engine("musicbrainz")
    with engine.begin() as connection:
        for schema in (NEW, OLD):
            connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
        connection.execute(sa.text(f"TRUNCATE {', '.join(mb.METADATA.tables)}"))
        row = {"id": 999, "gid": sa.func.gen_random_uuid(), "name": "Old", "artist_credit": 1}
        connection.execute(sa.insert(mb.recording).values(row))
    yield engine
    databases.dispose()


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """An unpacked dump without state files."""
    shutil.copytree(MUSICBRAINZ, tmp_path / "mbdump")
    return tmp_path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A dump's archive."""
    return write_archive(tmp_path / "mbdump.tar.bz2")
