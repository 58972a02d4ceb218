"""Fixtures: two servers, and updaters that create an index without a delay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.index_http import updater
from tests.unit.index_http.plain_server import PlainServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updater, "CREATE_DELAY", 0.0)


@pytest.fixture
def server() -> Iterator[PlainServer]:
    with serving() as server:
        yield server


@pytest.fixture
def other() -> Iterator[PlainServer]:
    with serving() as server:
        yield server
