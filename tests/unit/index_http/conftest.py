"""Fixtures: two servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.index_http.plain_server import PlainServer, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[PlainServer]:
    with serving() as server:
        yield server


@pytest.fixture
def other() -> Iterator[PlainServer]:
    with serving() as server:
        yield server
