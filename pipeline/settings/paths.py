"""Makes the paths in options absolute.

A relative path in the file is relative to the folder of the file. In the environment, and in the
defaults, it is relative to the working directory.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.settings.option_names import Option, sections

WORKING_DIRECTORY = Path()


def absolute_text(option: Option, text: str, folder: Path, *, is_file: bool) -> str:
    """Return the value of an option with its path made absolute; other values are unchanged.

    Args:
        option: the option.
        text: its value, or the path of the file with its value.
        folder: the folder to which a relative path is relative.
        is_file: whether `text` is the path of a file with the value.
    """
    is_path = is_file or (option.is_path and text not in option.words)
    return str(full_path(folder / text)) if is_path and text else text


def full_path(path: Path) -> Path:
    """Return the absolute path without ``..``; symbolic links stay in it.

    A ``..`` after a symbolic link to a folder stays, since it does not lead back to the link.
    """
    made = path.absolute()
    if ".." not in made.parts:
        return made
    shorter = os.path.normpath(made)
    try:
        is_same = os.path.realpath(shorter) == os.path.realpath(made)
    except ValueError:  # a null character
        return made
    return Path(shorter) if is_same else made


def default_paths() -> Iterator[tuple[tuple[str, ...], Path]]:
    """Yield the location and the absolute path of each path option with a default."""
    for section in sections().values():
        for option in section.options.values():
            default = section.model.model_fields[option.name].default
            if isinstance(default, Path):
                yield option.location, full_path(default)
