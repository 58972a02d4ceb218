"""``acoustid identify``: looks up audio files. Chromaprint's fpcalc computes the fingerprints."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import click

from cli.commands.client import http_client as web
from cli.commands.client.audio_seconds import RANGE, whole_seconds
from cli.commands.client.lookup import describe, look_up
from cli.errors import StackError

LENGTH: Final = 120  # seconds of audio; all clients use this length
TIMEOUT: Final = 300.0  # seconds for one file


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--meta", default="recordings", show_default=True, help="Metadata of each result.")
@web.options
def identify(
    files: tuple[Path, ...],
    meta: str,
    server: str | None,
    application: str | None,
    data_dir: Path,
) -> None:
    """Identify audio FILES by their fingerprints."""
    client = web.connect(server, application, data_dir)
    for file in files:
        duration, fingerprint = calculate(file)
        answer = look_up(client, fingerprint, duration, meta)
        click.echo(f"{file}:\n{describe(answer['results'])}")


def calculate(file: Path) -> tuple[int, str]:
    """Return the duration in whole seconds, rounded half up, and the fingerprint of a file.

    Raises:
        StackError: fpcalc is not installed or cannot read the file, or the file is too short or
            too long.
    """
    fpcalc = shutil.which("fpcalc")
    if fpcalc is None:
        raise StackError(
            "fpcalc, which computes fingerprints, is not installed: install Chromaprint's tools "
            "(Debian and Ubuntu: libchromaprint-tools; Fedora: chromaprint-tools; macOS: "
            "chromaprint), or look up a known fingerprint with `acoustid lookup`"
        )
    try:
        done = subprocess.run(  # noqa: S603 - no shell reads the file name
            [fpcalc, "-json", "-length", str(LENGTH), str(file.resolve())],
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{file}: fpcalc did not finish in {TIMEOUT:.0f} s") from error
    if done.returncode not in (0, 3):  # 3: a decoding error, but fpcalc has printed a result
        reason = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise StackError(f"{file}: fpcalc cannot read it: {reason}")
    found = json.loads(done.stdout)
    if not found.get("fingerprint"):
        raise StackError(f"{file}: too short for a fingerprint, some seconds of audio are needed")
    seconds = whole_seconds(found.get("duration"))
    if seconds is None:
        raise StackError(f"{file}: its duration, {found.get('duration')}, is not {RANGE}")
    return seconds, found["fingerprint"]
