"""Makes the paths in options absolute.

A relative path in the file is relative to the folder of the file. In the environment, and in the
defaults, it is relative to the working directory.
"""

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
    return str((folder / text).absolute()) if is_path and text else text


def default_paths() -> Iterator[tuple[tuple[str, ...], Path]]:
    """Yield the location and the absolute path of each path option with a default."""
    for section in sections().values():
        for option in section.options.values():
            default = section.model.model_fields[option.name].default
            if isinstance(default, Path):
                yield option.location, default.absolute()
