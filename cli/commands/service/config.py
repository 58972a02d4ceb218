"""``acoustid config``: shows the effective settings."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, SecretStr

from cli.stack.effective_settings import read_settings
from pipeline.runtime.redact import MASK
from pipeline.settings.option_names import LEVEL, LEVELS, SectionOptions, sections
from pipeline.settings.sections import Settings


@click.group()
def config() -> None:
    """Show and check the configuration."""


@config.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="The file.  [default: ACOUSTID_CONFIG, else acoustid.conf here]",
)
def check(path: Path | None) -> None:
    """Print the effective settings, or all problems with them."""
    click.echo(describe(read_settings(path)), nl=False)


def describe(settings: Settings) -> str:
    """Return the settings as an INI file with masked secrets.

    A comment above each option that is not at its default names the origin of the value.
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
    """Return a value in the syntax of the file. A secret is ``***``, if it is set."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return "" if value is None else str(value)
