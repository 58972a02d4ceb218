"""Folders and files do not exceed a maximum size."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from tests.support.packages import PACKAGES

ROOT = Path(__file__).parents[3]
MAX_FILES: Final = 14
MAX_LINES: Final = 330

MORE_FILES: Final[Mapping[str, str]] = MappingProxyType({})
"""Folders that may contain more files, with the reason."""

MORE_LINES: Final[Mapping[str, str]] = MappingProxyType(
    {"pipeline/settings/sections.py": "a table of all settings"}
)
"""Files that may have more lines, with the reason."""


def python_files() -> list[Path]:
    """Return the files of the packages without migrations, whose number is not limited."""
    found = [path for folder in PACKAGES for path in ROOT.joinpath(folder).rglob("*.py")]
    return [path for path in found if "migrations" not in path.parts]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_folder_has_too_many_files() -> None:
    counts = Counter(name(path.parent) for path in python_files() if path.name != "__init__.py")
    over = {folder: count for folder, count in counts.items() if count > MAX_FILES}
    assert {folder: count for folder, count in over.items() if folder not in MORE_FILES} == {}


def test_no_file_has_too_many_lines() -> None:
    counts = {name(path): len(path.read_text().splitlines()) for path in python_files()}
    over = {file: count for file, count in counts.items() if count > MAX_LINES}
    assert {file: count for file, count in over.items() if file not in MORE_LINES} == {}


@pytest.mark.parametrize("path", [*MORE_FILES, *MORE_LINES])
def test_every_exception_exists(path: str) -> None:
    assert (ROOT / path).exists()
