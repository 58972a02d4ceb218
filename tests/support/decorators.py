"""Decorators for tests that need a fixture but not its value."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])


def requires_database(test: Test) -> Test:
    """Run a test with the four databases emptied: the fixture `with_database`."""
    return pytest.mark.usefixtures("with_database")(test)


def requires_script(test: Test) -> Test:
    """Run a test with empty databases and an empty Redis: the fixture `with_script`."""
    return pytest.mark.usefixtures("with_script")(test)
