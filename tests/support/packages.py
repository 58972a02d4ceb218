"""The packages of the project."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

PACKAGES: Final = tuple(
    sorted({each.parent.name for each in ROOT.glob("*/__init__.py")} - {"tests"})
)
"""The names of the top-level packages, without the tests."""
