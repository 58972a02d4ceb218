"""Runs Chromaprint's fpcalc, which computes the fingerprint of an audio file."""

import json
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.commands.client.audio.bad_file import BadFileError, os_reason
from cli.commands.client.audio_seconds import RANGE, whole_seconds
from cli.errors import StackError

LENGTH: Final = 120  # seconds of audio; all clients use this length
WHOLE_FILE: Final = 0  # fpcalc's length for all of a file
TIMEOUT: Final = 300.0  # seconds for one file
WHOLE_TIMEOUT: Final = 1800.0  # seconds for all of a file of many hours


class TooShortError(BadFileError):
    """A file is too short for a fingerprint."""


@dataclass(frozen=True, slots=True)
class Fingerprinted:
    """The fingerprint of a file.

    Attributes:
        duration: the duration of the whole file in seconds, rounded half up.
        fingerprint: the text of the fingerprint.
    """

    duration: int
    fingerprint: str


def find_fpcalc() -> str:
    """Return the path of fpcalc.

    Raises:
        StackError: it is not installed.
    """
    found = shutil.which("fpcalc")
    if found is None:
        raise StackError(
            "fpcalc, which computes fingerprints, is not installed: install Chromaprint's tools "
            "(Debian and Ubuntu: libchromaprint-tools; Fedora: chromaprint-tools; macOS: "
            "chromaprint)"
        )
    return found


def calculate(file: Path, fpcalc: str, length: int = LENGTH) -> Fingerprinted:
    """Return the duration and the fingerprint of a file.

    The exit status of fpcalc does not matter if it has printed a fingerprint: fpcalc 1.5.1 ends
    with 3 whenever it reads a file to its end.

    Args:
        file: an audio file.
        fpcalc: the path of the program.
        length: seconds of audio from the start of the file; `WHOLE_FILE` for all.

    Raises:
        TooShortError: the file is too short for a fingerprint.
        BadFileError: fpcalc cannot read the file, or the file is too long.
    """
    check_is_file(file)
    timeout = TIMEOUT if length else WHOLE_TIMEOUT
    try:
        done = subprocess.run(  # noqa: S603 - no shell reads the file name
            [fpcalc, "-json", "-length", str(length), os.path.abspath(file)],  # noqa: PTH100
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BadFileError(f"fpcalc did not finish in {timeout:.0f} s") from error
    except OSError as error:
        raise BadFileError(f"{fpcalc} cannot run: {os_reason(error)}") from error
    found = _printed(done.stdout)
    if b"Empty fingerprint" in done.stderr or (found and not found.get("fingerprint")):
        raise TooShortError("too short for a fingerprint, some seconds of audio are needed")
    if found is None or done.returncode < 0:
        raise BadFileError(f"fpcalc cannot read it: {_reason(done, file)}")
    seconds = whole_seconds(found.get("duration"))
    if seconds is None:
        raise BadFileError(f"its duration, {found.get('duration')}, is not {RANGE}")
    return Fingerprinted(seconds, str(found["fingerprint"]))


def check_is_file(file: Path) -> None:
    """Check that a path is a regular file: fpcalc would wait for the other end of a pipe.

    Raises:
        BadFileError: it is not, or cannot be reached.
    """
    try:
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        if file.is_symlink():
            raise BadFileError("a link to a file that does not exist") from error
        raise BadFileError(os_reason(error)) from error
    except (OSError, ValueError) as error:
        raise BadFileError(
            os_reason(error) if isinstance(error, OSError) else str(error)
        ) from error
    if not stat.S_ISREG(mode):
        raise BadFileError("not a regular file")


def _printed(output: bytes) -> dict[str, object] | None:
    """Return the object that fpcalc has printed; None if it has printed none."""
    try:
        found = json.loads(output)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _reason(done: subprocess.CompletedProcess[bytes], file: Path) -> str:
    """Return the last line that fpcalc has printed, without the name of the file."""
    if done.returncode < 0:
        return f"signal {-done.returncode} ended it"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    if not lines:
        return f"exit status {done.returncode}"
    name = re.escape(str(file.absolute()))
    return re.sub(rf" ?([\"']?){name}\1", "", lines[-1]).removeprefix("ERROR: ")
