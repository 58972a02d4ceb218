"""How long machine code is kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline.loops

INNER = """
from pipeline.loops.compiled import {kind}

@{kind}
def inner(number):
    return number + {added}
"""
OUTER = """
from pipeline.index.inner import inner
from pipeline.loops.compiled import compiled

@compiled
def outer(number):
    return inner(number)

print(outer(1), sum(outer.stats.cache_hits.values()))
"""


def run(root: Path, kind: str, added: int) -> list[int]:
    """Return what the outer function says of 1, and how often its machine code was kept."""
    (root / "pipeline" / "index" / "inner.py").write_text(INNER.format(kind=kind, added=added))
    # Without byte code, which Python takes for current if a module was rewritten within a second.
    command = [sys.executable, "-B", "-m", "pipeline.index.outer"]
    ran = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return [int(word) for word in ran.stdout.split()]


@pytest.mark.parametrize("kind", ["compiled", "inlined"])
def test_a_change_of_a_called_function_is_seen_by_its_callers(tmp_path: Path, kind: str) -> None:
    copy = tmp_path / "pipeline"
    loops = Path(pipeline.loops.__file__).parent
    shutil.copytree(loops, copy / "loops", ignore=shutil.ignore_patterns("__pycache__"))
    copy.joinpath("index").mkdir()
    copy.joinpath("__init__.py").touch()
    copy.joinpath("index", "outer.py").write_text(OUTER)
    assert run(tmp_path, kind, 1) == [2, 0]
    assert run(tmp_path, kind, 1) == [2, 1]
    assert run(tmp_path, kind, 2) == [3, 0]
