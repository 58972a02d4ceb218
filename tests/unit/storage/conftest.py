"""Fixtures of the storage tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.storage import files
from tests.unit.storage.users import USERS, User

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave syncs out, for speed; tests/faults/storage tests their effect."""
    monkeypatch.setattr(files, "sync", lambda _descriptor: None)
    monkeypatch.setattr(files, "sync_directory", lambda _path: None)


@pytest.fixture(params=USERS, ids=lambda user: user.format.noun)
def user(request: pytest.FixtureRequest) -> User:
    """Each user of the storage engine."""
    found: User = request.param
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder that doesn't exist yet."""
    return tmp_path / "folder"
