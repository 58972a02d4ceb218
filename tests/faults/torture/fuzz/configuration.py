"""Damaged configuration files: settings, or an error that lists the problems."""

import tempfile
from pathlib import Path
from random import Random
from typing import Final

from pipeline.settings.load import ConfigError, load_settings

TEMPLATE: Final = Path(__file__).parents[4] / "acoustid.conf.dist"
SECRET: Final = "hidden-7hYx"
_PIECES: Final = (
    "[database]\n",
    "[redis]\n",
    "[unknown]\n",
    f"password = {SECRET}\n",
    "port = -1\n",
    "port = 99999999999999999999\n",
    "host =\n",
    "%(x)s = ${y}\n",
    "= value\n",
    "  continued\n",
    "\0\n",
    "\ufeff",
    "\r",
    "é = ²\n",
    "#\n",
)


def fuzz_configuration(seed: int, cases: int) -> None:
    """Load damaged files.

    Raises:
        AssertionError: another exception, or an error whose text has the value of a secret.
    """
    random = Random(seed)
    template = TEMPLATE.read_text().replace("#password =", f"password = {SECRET}")
    lines = [line for line in template.splitlines(keepends=True) if not line.startswith("# ")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acoustid.conf"
        for case in range(cases):
            path.write_bytes(_damaged(lines, random))
            shown = _problems(path, f"seed {seed} case {case}")
            assert SECRET not in shown, f"seed {seed} case {case}: a secret is shown"


def _problems(path: Path, case: str) -> str:
    """Load a file; return the text of the error, empty for valid settings."""
    try:
        load_settings(path, {})
    except ConfigError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(f"{case}: {path.read_bytes()!r}") from error
    return ""


def _damaged(lines: list[str], random: Random) -> bytes:
    chosen = [line.removeprefix("#") for line in random.sample(lines, random.randrange(12))]
    for _ in range(random.randrange(4)):
        chosen.insert(random.randrange(len(chosen) + 1), random.choice(_PIECES))
    data = bytearray("".join(chosen).encode())
    for _ in range(random.randrange(3)):
        if data:
            data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)
