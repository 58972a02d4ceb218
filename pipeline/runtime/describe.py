"""The effective settings as text, for ``acoustid config check``."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from pipeline.runtime.options import LEVEL, LEVELS, SectionOptions, sections
from pipeline.runtime.redact import MASK
from pipeline.runtime.settings import Settings


def describe(settings: Settings) -> str:
    """Return the settings as an INI file with secrets masked, each option under its origin.

    The origin stands in a comment above every option that is not at its default.
    """
    blocks = (_describe_section(settings, section) for section in sections().values())
    return "\n".join(f"{block}\n" for block in blocks)


def _describe_section(settings: Settings, section: SectionOptions) -> str:
    model: Any = settings
    for step in section.location:
        model = getattr(model, step)
    lines = [f"[{section.name}]"]
    for name, value in _values(model, section):
        origin = settings.sources.get(f"{section.name}.{_source_name(section, name)}")
        lines += [f"# from {origin}"] if origin else []
        lines.append(f"{name} = {show(value)}".rstrip())
    return "\n".join(lines)


def _values(model: BaseModel, section: SectionOptions) -> Iterator[tuple[str, object]]:
    for name in section.options:
        yield name, getattr(model, name)
    levels: Mapping[str, str] = getattr(model, LEVELS, {})
    for logger, level in levels.items():
        yield LEVEL + logger.replace(".", "__"), level


def _source_name(section: SectionOptions, name: str) -> str:
    if name in section.options:
        return name
    return f"{LEVELS}.{name.removeprefix(LEVEL).replace('__', '.')}"


def show(value: object) -> str:
    """Return a value as the file writes it, a secret that is set as ``***``."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return "" if value is None else str(value)
