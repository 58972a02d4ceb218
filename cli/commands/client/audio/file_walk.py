"""Lists the audio files of a command: those given by name, and those below directories."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from cli.commands.client.audio.bad_file import os_reason

_LOSSY: Final = (
    "3ga 3gp aa3 aac ac3 adts amr asf dts eac3 m4a m4b m4p m4r mka mp+ mp1 mp2 mp3 mp4 mpc mpp oga "
    "ogg opus ra spx weba wma"
)
_LOSSLESS: Final = (
    "aif aifc aiff alac ape au caf dff dsf flac ofr ofs shn snd tak tta voc w64 wav wave wv"
)
EXTENSIONS: Final = frozenset(f"{_LOSSY} {_LOSSLESS}".split())
"""Extensions of the audio formats that Mutagen or FFmpeg read, in lower case."""

Refuse = Callable[[Path, str], None]


def names_audio(argument: str) -> bool:
    """Return whether an argument is a directory, or ends with an audio extension."""
    path = Path(argument)
    return _has_audio_extension(path) or _is_directory(path)


def find_audio_files(paths: Iterable[Path], refuse: Refuse) -> list[Path]:
    """Return the files of a command line, in its order; those of a directory sorted by name.

    A path that is no directory is always part of the result. Below a directory these are omitted:

    * files without an audio extension,
    * files and directories whose names begin with a dot,
    * directories that were listed before, so that loops of symbolic links end,
    * pipes, sockets and devices.

    Args:
        paths: files and directories.
        refuse: receives each directory that cannot be read or has no audio file, with the reason.
    """
    walk = _Walk(refuse)
    found: list[Path] = []
    for path in paths:
        if not _is_directory(path):
            found.append(path)
            continue
        is_new = walk.is_new(path)
        below = list(walk.below(path)) if is_new else []
        found += below
        if is_new and not below and path not in walk.refused:
            refuse(path, "no audio file below this directory")
    return found


class _Walk:
    """A walk through directories.

    Attributes:
        refused: the directories that cannot be read.
    """

    def __init__(self, refuse: Refuse) -> None:
        self.refused: set[Path] = set()
        self._refuse = refuse
        self._seen: set[tuple[int, int]] = set()

    def is_new(self, directory: Path) -> bool:
        """Return whether a directory was not listed before; remember it."""
        try:
            found = directory.stat()
        except OSError:
            return True  # listing it gives the reason
        key = (found.st_dev, found.st_ino)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def below(self, directory: Path) -> Iterator[Path]:
        """Yield the audio files below a directory, in the order of the names."""
        for folder, folders, files in os.walk(directory, followlinks=True, onerror=self._failed):
            at = Path(folder)
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and self.is_new(at / name)
            )
            yield from (at / name for name in sorted(files) if _is_audio(at / name))

    def _failed(self, error: OSError) -> None:
        directory = Path(os.fsdecode(error.filename))
        self.refused.add(directory)
        self._refuse(directory, os_reason(error))


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _is_audio(path: Path) -> bool:
    """Return whether a path has an audio extension, and is a file or a broken link."""
    if path.name.startswith(".") or not _has_audio_extension(path):
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # its fingerprint fails, with the reason


def _has_audio_extension(path: Path) -> bool:
    return path.suffix[1:].lower() in EXTENSIONS
