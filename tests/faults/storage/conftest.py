"""Fixtures of the storage tests."""

from tests.unit.storage.conftest import path, user  # noqa: F401 - pytest finds them here
