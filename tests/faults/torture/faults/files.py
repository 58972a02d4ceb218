"""Faults of the files of index and store: flipped bytes, cut files, removed files.

The files are derived from the database. A fault ends when the operator has done what `verify` says,
if the service has not repaired the files itself before.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.storage.damaged_folders import damaged_folders
from pipeline.storage.errors import StorageCorrupt
from pipeline.storage.format import (
    INDEX_SUFFIX,
    LOCK_NAME,
    MANIFEST_NAME,
    STORE_SUFFIX,
    StorageFormat,
)
from pipeline.storage.manifest import read_manifest
from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.stack.torture_stack import TortureStack

REPAIR_WITHIN: Final = 15.0
"""Seconds within which the service repairs damage that an opened file shows."""

FORMATS: Final[dict[str, StorageFormat[Any, Any]]] = {"index": INDEX_FORMAT, "store": STORE_FORMAT}

CHECKS: Final = {"index": ("index", "verify"), "store": ("store", "check")}


@contextmanager
def _damaged(what: str, damage: str, stack: TortureStack, random: Random) -> Iterator[str]:
    folder: Path = getattr(stack, what)
    position = _position(what, folder)
    yield f"{what}: {_DAMAGES[damage](folder, random)}"
    _wait_for_repair(stack, what, position)


def _flip(folder: Path, random: Random) -> str:
    """Flip a bit of a segment, in place: maps of the file show it at once."""
    path = _segment(folder, random)
    if path is None:
        return "no segment"
    at = random.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << random.randrange(8)]))
    return f"a bit flipped in byte {at} of {path.name}"


def _replace_header(folder: Path, random: Random) -> str:
    """Replace a segment by a copy with a damaged header."""
    path = _segment(folder, random)
    if path is None:
        return "no segment"
    copy = path.with_suffix(".damaged")
    shutil.copy2(path, copy)
    with copy.open("r+b") as file:
        file.write(b"\xff\xff\xff\xff")
    copy.rename(path)
    return f"{path.name} replaced by one with a damaged header"


def _cut(folder: Path, random: Random) -> str:
    """Replace a segment by its first half."""
    path = _segment(folder, random)
    if path is None:
        return "no segment"
    copy = path.with_suffix(".damaged")
    copy.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    copy.rename(path)
    return f"{path.name} cut to half"


def _remove(folder: Path, random: Random) -> str:
    path = _segment(folder, random)
    if path is None:
        return "no segment"
    path.unlink()
    return f"{path.name} removed"


def _remove_all(folder: Path, _random: Random) -> str:
    for path in folder.iterdir():
        if path.is_file() and path.name != LOCK_NAME:
            path.unlink(missing_ok=True)
    return "all files removed"


def _damage_manifest(folder: Path, random: Random) -> str:
    manifest = folder / MANIFEST_NAME
    if not manifest.exists():
        return "no manifest"
    text = bytearray(manifest.read_bytes())
    at = random.randrange(len(text))
    text[at] ^= 1 << random.randrange(8)
    copy = folder / f"{MANIFEST_NAME}.damaged"
    copy.write_bytes(text)
    copy.rename(manifest)
    return f"a bit flipped in byte {at} of the manifest"


_DAMAGES: Final = {
    "flip": _flip,
    "header": _replace_header,
    "cut": _cut,
    "remove": _remove,
    "remove all": _remove_all,
    "manifest": _damage_manifest,
}


def _segment(folder: Path, random: Random) -> Path | None:
    """Return a segment, None if there is none."""
    found = sorted([*folder.glob(f"*{INDEX_SUFFIX}"), *folder.glob(f"*{STORE_SUFFIX}")])
    return random.choice(found) if found else None


def _wait_for_repair(stack: TortureStack, what: str, position: int) -> None:
    """Wait until the service has repaired the files and filled them again.

    The check finds no damage in a folder that is emptied and waits for its filling, so the position
    counts too. Each fault of a run counts as damage of a faulty disk, which would delay the
    next repairs; so the folders of damaged files are removed.

    Raises:
        AssertionError: the service has not repaired them. They are rebuilt, for the next faults.
    """
    folder: Path = getattr(stack, what)
    deadline = time.monotonic() + REPAIR_WITHIN
    while time.monotonic() < deadline:
        is_filled = _position(what, folder) >= position
        if is_filled and stack.command(*CHECKS[what]).returncode == os.EX_OK:
            for old in damaged_folders(folder):
                shutil.rmtree(old)
            return
        time.sleep(0.5)
    done = stack.command(what, "rebuild")
    if done.returncode:
        raise AssertionError(f"acoustid {what} rebuild failed: {done.stderr}{done.stdout}")
    raise AssertionError(f"the {what} was not repaired within {REPAIR_WITHIN:g} s")


def _position(what: str, folder: Path) -> int:
    """Return the changelog position of the index or the store; 0 if it is missing or damaged."""
    try:
        manifest = read_manifest(FORMATS[what], folder)
    except (StorageCorrupt, OSError):
        return 0
    return manifest.position if manifest else 0


KINDS: Final = tuple(
    FaultKind(
        f"{damage} {what}",
        "files",
        partial(_damaged, what, damage),
        seconds=(0.0, 2.0),
        # Only a flipped bit may hide a hit. All other damage is seen when a file is opened.
        hides_hits=damage == "flip",
    )
    for what in ("index", "store")
    for damage in _DAMAGES
)
