"""The names of all options, in the INI file and in the environment.

They are derived from the classes of `pipeline.settings.sections`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from pipeline.settings.sections import Section, Settings

PREFIX = "ACOUSTID_"
RESERVED = frozenset({"ACOUSTID_CONFIG", "ACOUSTID_TRACEBACK"})
"""Variables with the prefix that are not options."""

READ_ONLY = "_ro"
"""Suffix of a section that inherits from the section without the suffix."""

FILE = "_file"
LEVELS = "levels"
LEVEL = "level_"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of one section.

    Attributes:
        section: the section's name in the file, such as ``cluster.rate_limiter``.
        name: the option's name in the file.
        location: the attribute names, from `Settings` to the option; for a level also the logger.
        secret: whether its value is hidden and may be read from a file.
        nullable: whether an empty value means None.
        is_path: whether its value is the path of a file or directory.
        words: values of a path option that are not paths.
    """

    section: str
    name: str
    location: tuple[str, ...]
    secret: bool = False
    nullable: bool = False
    is_path: bool = False
    words: frozenset[str] = frozenset()

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{variable_of(self.section)}_{self.name.upper()}"

    def __str__(self) -> str:
        return f"[{self.section}] {self.name}"


@dataclass(frozen=True, slots=True)
class SectionOptions:
    """One section of the file and its options.

    Attributes:
        model: the class of its settings.
        options: the options by name; without the levels of loggers, see `find`.
    """

    name: str
    location: tuple[str, ...]
    model: type[Section]
    options: Mapping[str, Option] = field(default_factory=dict)

    def find(self, name: str) -> Option | None:
        """Return the option with a name, which may be ``level_<logger>``; None without one."""
        if option := self.options.get(name):
            return option
        logger = name.removeprefix(LEVEL).replace("__", ".")
        if LEVELS in self.model.model_fields and name.startswith(LEVEL) and logger:
            return Option(self.name, name, (*self.location, LEVELS, logger))
        return None

    def find_secret_file(self, name: str) -> Option | None:
        """Return the secret option of a name such as ``password_file``; None without one."""
        option = self.options.get(name.removesuffix(FILE)) if name.endswith(FILE) else None
        return option if option and option.secret else None


@cache
def sections() -> Mapping[str, SectionOptions]:
    """Return every section by its name in the file."""
    return {section.name: section for section in _walk(Settings, ())}


def variable_of(section: str) -> str:
    """Return the prefix of a section's variables, such as ``ACOUSTID_CLUSTER``."""
    return PREFIX + section.replace(".", "_").upper()


def resolve_variable(variable: str) -> tuple[Option, bool] | None:
    """Return the option that an environment variable sets; the longest section name wins.

    Args:
        variable: the whole name, such as ``ACOUSTID_DATABASE_INGEST_PASSWORD_FILE``.

    Returns:
        The option, and whether the variable is the path of a file with the value; None if no
        option has this variable.
    """
    for section in sorted(sections().values(), key=lambda each: -len(each.name)):
        start = variable_of(section.name) + "_"
        if not variable.startswith(start) or variable != variable.upper():
            continue
        found = resolve_option(section, variable.removeprefix(start).lower())
        if found:
            return found
    return None


def resolve_option(section: SectionOptions, name: str) -> tuple[Option, bool] | None:
    """Return the option of a name in a section, and whether its value is the path of a file."""
    if option := section.find(name):
        return option, False
    if option := section.find_secret_file(name):
        return option, True
    return None


def _walk(model: type[BaseModel], location: tuple[str, ...]) -> Iterator[SectionOptions]:
    for name, info in model.model_fields.items():
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, Section):
            path = (*location, name)
            yield SectionOptions(".".join(path), path, nested, _options_of(nested, path))
            yield from _walk(nested, path)


def _options_of(model: type[Section], location: tuple[str, ...]) -> dict[str, Option]:
    section = ".".join(location)
    return {
        name: _option(section, name, (*location, name), info)
        for name, info in model.model_fields.items()
        if name != LEVELS and not _is_section(info)
    }


def _is_section(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, Section)


def _option(section: str, name: str, location: tuple[str, ...], info: FieldInfo) -> Option:
    kinds = set(_kinds(info.annotation))
    return Option(
        section,
        name,
        location,
        secret=SecretStr in kinds,
        nullable=NoneType in kinds,
        is_path=Path in kinds,
        words=frozenset(kind for kind in kinds if isinstance(kind, str)),
    )


def _kinds(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - any annotation
    """Yield the members of a union and of ``Literal``, without ``Annotated``."""
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for kind in inner:
        yield from _kinds(kind)
