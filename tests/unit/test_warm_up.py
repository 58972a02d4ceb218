"""Whether the loops are compiled."""

import subprocess
import sys
from pathlib import Path

from pipeline.loops import compiled

ROOT = Path(compiled.__file__).parents[2]


def test_all_modules_with_loops_are_counted() -> None:
    """A module that is imported later would be compiled by the first process that needs it."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in compiled.FOLDERS
        for path in sorted((ROOT / "pipeline" / folder).rglob("*.py"))
        if {"@compiled", "@inlined"} & set(path.read_text().splitlines())
    ]
    assert "pipeline.index.segments.radix_sort" in modules
    program = (
        "import sys\n"
        "from pipeline.warm_up import is_warm\n"
        "is_warm()\n"
        "print([name for name in sys.argv[1:] if name not in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *modules], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
