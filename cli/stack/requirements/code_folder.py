"""Chooses the folder for the machine code of the loops if Numba finds none.

Otherwise every process that needs the loops would compile them at each start.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pipeline

VARIABLE: Final = "NUMBA_CACHE_DIR"
"""Numba's variable for a folder, which it prefers to all others."""

_PROBE: Final = (
    "import sys; from pipeline.loops.compiled import can_keep_code; sys.exit(not can_keep_code())"
)


def choose_code_folder(folder: Path, report: Callable[[str], None]) -> None:
    """Set the folder for machine code in the environment of this process, if Numba finds none.

    Args:
        folder: the folder to use then.
        report: called with a line of text then.
    """
    if needs_code_folder():
        os.environ[VARIABLE] = str(folder)
        report(
            f"the compiled loops are kept in {folder}: neither {VARIABLE}, nor the folder of the"
            " package, nor the user's cache directory can be written to"
        )


def needs_code_folder() -> bool:
    """Return whether machine code can be kept in no folder.

    The probe runs in another process, since Numba reads its variables when it is imported.
    """
    given = os.environ.get(VARIABLE)
    source = Path(pipeline.__file__).parent / "loops"
    if _is_writable(Path(given) if given else _beside(source)):
        return False
    done = subprocess.run([sys.executable, "-P", "-c", _PROBE], check=False)  # noqa: S603
    return done.returncode == 1


def _beside(source: Path) -> Path:
    """Return the folder beside a source in which Numba writes, or in which it creates a folder."""
    kept = source / "__pycache__"
    return kept if kept.exists() else source


def _is_writable(folder: Path) -> bool:
    """Return whether Numba can write to a folder, so that no probe is necessary."""
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
