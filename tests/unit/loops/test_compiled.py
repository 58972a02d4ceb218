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
from {package}.inner import inner
from pipeline.loops.compiled import compiled

@compiled
def outer(number):
    return inner(number)

print(outer(1), sum(outer.stats.cache_hits.values()))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The folder of a package `pipeline` that has the loops and empty folders of an index."""
    package = tmp_path / "pipeline"
    loops = Path(pipeline.loops.__file__).parent
    shutil.copytree(loops, package / "loops", ignore=shutil.ignore_patterns("__pycache__"))
    package.joinpath("index", "segments").mkdir(parents=True)
    package.joinpath("__init__.py").touch()
    return tmp_path


def started(root: Path, module: str, *arguments: str) -> list[int]:
    """Run a module that prints a result and how often its machine code was read from the disk."""
    # Without byte code, which Python takes for current if a module was rewritten within a second.
    command = [sys.executable, "-B", "-m", module, *arguments]
    ran = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return [int(word) for word in ran.stdout.split()]


@pytest.mark.parametrize("folder", ["index", "index/segments"])
@pytest.mark.parametrize("kind", ["compiled", "inlined"])
def test_a_change_of_a_called_function_compiles_its_callers_anew(
    copy: Path, kind: str, folder: str
) -> None:
    package = f"pipeline.{folder.replace('/', '.')}"
    inner = copy / "pipeline" / folder / "inner.py"
    (copy / "pipeline" / "index" / "outer.py").write_text(OUTER.format(package=package))

    def run_with(added: int) -> list[int]:
        inner.write_text(INNER.format(kind=kind, added=added))
        return started(copy, "pipeline.index.outer")

    assert run_with(1) == [2, 0]
    assert run_with(1) == [2, 1]
    assert run_with(2) == [3, 0]


TYPED = """
from typing import NamedTuple
from pipeline.loops.compiled import compiled

class {name}(NamedTuple):
    number: int

@compiled
def loop(given):
    return given.number
"""
USE = """
from pipeline.index.typed import {name}, loop

print(loop({name}(1)), sum(loop.stats.cache_hits.values()))
"""


def test_code_for_a_type_that_was_renamed_is_compiled_anew(copy: Path) -> None:
    """Numba reads the names of the types before it compares the sources."""

    def run_with(name: str) -> list[int]:
        folder = copy / "pipeline" / "index"
        folder.joinpath("typed.py").write_text(TYPED.format(name=name))
        folder.joinpath("use.py").write_text(USE.format(name=name))
        return started(copy, "pipeline.index.use")

    assert run_with("Old") == [1, 0]
    assert run_with("Old") == [1, 1]
    assert run_with("New") == [1, 0]
    assert run_with("New") == [1, 1]


LOOP = """
from pipeline.loops.compiled import compiled, is_compiled

@compiled
def loop(number):
    return number + 1
"""
CALL = """
from pipeline.index.counted import is_compiled, loop

print(int(is_compiled()), loop(1), sum(loop.stats.cache_hits.values()))
"""
CHECK = """
import sys
from pathlib import Path
from pipeline.index.counted import is_compiled

for name in sys.argv[1:]:
    path = Path(name)
    whole = path.read_bytes()
    middle = len(whole) // 2
    zeros = whole[:middle] + bytes(64) + whole[middle + 64 :]
    for damaged in (b"", whole[:9], whole[:-40], bytes(len(whole)), zeros):
        path.write_bytes(damaged)
        print(int(is_compiled()))
    path.unlink()
    print(int(is_compiled()))
    path.write_bytes(whole)
    print(int(is_compiled()) + 1)
"""


@pytest.fixture
def kept(copy: Path) -> list[Path]:
    """The files with the machine code of one loop: the index, then the data."""
    folder = copy / "pipeline" / "index"
    for name, text in (("counted", LOOP), ("call", CALL), ("check", CHECK)):
        folder.joinpath(f"{name}.py").write_text(text)
    assert started(copy, "pipeline.index.call") == [0, 2, 0]
    return [next(folder.rglob(f"*{suffix}")) for suffix in (".nbi", ".nbc")]


def test_damaged_or_missing_files_count_as_not_compiled(copy: Path, kept: list[Path]) -> None:
    """Otherwise the supervisor compiles while it loads the loops, and is deaf to signals."""
    index, data = kept
    names = [str(data), str(index)]
    found = started(copy, "pipeline.index.check", *names)
    assert found == 2 * [0, 0, 0, 0, 0, 0, 2]


@pytest.mark.parametrize("damaged", [0, 1])
def test_damaged_files_are_replaced(copy: Path, kept: list[Path], damaged: int) -> None:
    """A power loss leaves empty files."""
    kept[damaged].write_bytes(b"")
    assert started(copy, "pipeline.index.call") == [0, 2, 0]
    assert started(copy, "pipeline.index.call") == [1, 2, 1]


def test_code_that_cannot_be_kept_is_compiled_in_memory(copy: Path, kept: list[Path]) -> None:
    index, data = kept
    for path in (index, data):
        path.unlink()
        path.mkdir()
    assert started(copy, "pipeline.index.call") == [0, 2, 0]


FORGET = """
import sys
from pipeline.index.outer import outer
from pipeline.loops.compiled import forget_code, is_compiled

if "forget" in sys.argv:
    forget_code()
print(outer(1), int(is_compiled()))
"""


def test_a_lost_file_of_a_called_loop_is_replaced_after_all_code_is_forgotten(copy: Path) -> None:
    """A call of its caller, whose machine code contains it, does not compile it."""
    folder = copy / "pipeline" / "index"
    folder.joinpath("inner.py").write_text(INNER.format(kind="compiled", added=1))
    outer, _, _ = OUTER.format(package="pipeline.index").partition("print")
    folder.joinpath("outer.py").write_text(outer)
    folder.joinpath("forget.py").write_text(FORGET)
    assert started(copy, "pipeline.index.forget") == [2, 1]
    next(folder.rglob("inner.inner*.nbc")).unlink()
    assert started(copy, "pipeline.index.forget") == [2, 0]
    assert started(copy, "pipeline.index.forget", "forget") == [2, 1]
