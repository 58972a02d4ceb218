"""The page of guarantees names existing tests only."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"
SPAN = re.compile(r"`([\w/]*(?:\.py)?(?:::test_\w+)?)`")


def named_tests(text: str) -> list[tuple[str, str]]:
    """Return file and function of each named test; a function alone is in the file before it."""
    found = []
    file = ""
    for span in SPAN.findall(text):
        path, _, function = span.partition("::")
        if path.endswith(".py"):
            file = path
        if path.endswith(".py") or function:
            found.append((file, function))
    return found


def exists(file: str, function: str) -> bool:
    """Return whether a file of tests exists, and has the function, if one is named."""
    path = TESTS / file
    return path.is_file() and (not function or f"def {function}(" in path.read_text("utf-8"))


def test_every_named_test_exists() -> None:
    named = named_tests((ROOT / "docs" / "guarantees.md").read_text("utf-8"))
    assert len(named) > 50
    assert [f"{file}::{function}" for file, function in named if not exists(file, function)] == []


def test_a_test_that_does_not_exist_is_found() -> None:
    """A name without a file belongs to the file before it."""
    here = "unit/project/test_guarantees.py"
    named = named_tests(f"`{here}::test_every_named_test_exists`, `::test_of_nothing`")
    assert [exists(*each) for each in named] == [True, False]
