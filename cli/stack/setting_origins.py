"""Tells where the value of a setting comes from: a line of a file, a variable, or the default."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT: Final = "default"
ENVIRONMENT: Final = "environment"
FILE: Final = "file"
STACK: Final = "stack"

_IN_FILE: Final = re.compile(r"(?P<path>.+): \[(?P<section>[^]]+)\] (?P<name>\S+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """The origin of a value.

    Attributes:
        kind: ``default``, ``environment``, ``file``, or ``stack`` for the effective file of one.
        origin: the name of the variable, or the path of the file; None for the default.
        line: the number of the line in the file; None if it is unknown.
    """

    kind: str = DEFAULT
    origin: str | None = None
    line: int | None = None

    def describe(self) -> str:
        """Return the origin as text, such as ``acoustid.conf:12``."""
        if self.origin is None:
            return self.kind
        return self.origin if self.line is None else f"{self.origin}:{self.line}"


class Origins:
    """Finds origins by the texts in `Settings.sources`.

    Args:
        effective: the effective file of a stack; None if there is none.
    """

    def __init__(self, effective: Path | None) -> None:
        self._effective = effective
        self._lines: dict[str, dict[tuple[str, str], int]] = {}

    def find(self, source: str | None) -> SettingOrigin:
        """Return the origin that a text of `Settings.sources` names; None means the default."""
        if source is None:
            return SettingOrigin()
        found = _IN_FILE.fullmatch(source)
        if found is None:
            return SettingOrigin(ENVIRONMENT, source)
        path = found["path"]
        if path not in self._lines:
            self._lines[path] = option_lines(Path(path))
        line = self._lines[path].get((found["section"], found["name"]))
        return SettingOrigin(STACK if Path(path) == self._effective else FILE, path, line)


def option_lines(path: Path) -> dict[tuple[str, str], int]:
    """Return the line number of each option of an INI file by its section and name.

    The file is one that `load_settings` accepts.
    """
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if text.startswith("[") and "]" in text:
            section = text[1 : text.index("]")]
        elif text and not text.startswith(("#", ";")):
            name = re.split("[=:]", text, maxsplit=1)[0].strip().lower()
            found[section, name] = number
    return found
