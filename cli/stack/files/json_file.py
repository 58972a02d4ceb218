"""Reads small JSON files of a data directory, whatever is in their place."""

import errno
import json
import stat
from pathlib import Path


class DamagedFileError(ValueError):
    """The file has no JSON object, or is no regular file. Its content is unusable."""


def read_json_object(path: Path) -> dict[str, object]:
    """Return the JSON object in a file. A FIFO is not read: that would wait for its writer.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no file.
        DamagedFileError: there is another thing, such as a directory, or text without an object.
        OSError: the file exists and cannot be read, which says nothing about its content.
    """
    if is_not_a_file(path):
        raise DamagedFileError("it is not a regular file")
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedFileError(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise DamagedFileError("its values are nested too deeply") from error
    if not isinstance(found, dict):
        raise DamagedFileError("it has no JSON object")
    return found


def is_not_a_file(path: Path) -> bool:
    """Return whether a path exists and is no regular file: a directory, a FIFO, a dead link.

    Raises:
        OSError: it cannot be examined.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path.is_symlink()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return True
        raise
    return not stat.S_ISREG(mode)
