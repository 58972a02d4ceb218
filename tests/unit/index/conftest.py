"""Fixtures of the index tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.storage import files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave syncs out, for speed; tests/faults/storage tests their effect."""
    monkeypatch.setattr(files, "sync", lambda _descriptor: None)
    monkeypatch.setattr(files, "sync_directory", lambda _path: None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The folder of an index that doesn't exist yet."""
    return tmp_path / "index"
