"""``acoustid config``: shows the effective settings, and where each one comes from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
from pydantic import BaseModel, SecretStr

from cli.argument_checks import CheckedGroup
from cli.list_options import json_option
from cli.stack import data_directory
from cli.stack.effective_settings import read_settings
from cli.stack.selection import choose_stack
from cli.stack.setting_origins import DEFAULT, Origins, SettingOrigin
from cli.text_table import echo_json
from pipeline.runtime.redact import MASK
from pipeline.settings.option_names import LEVEL, LEVELS, SectionOptions, sections
from pipeline.settings.sections import Settings


@click.group(cls=CheckedGroup)
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


@config.command("show")
@click.option("--changed", is_flag=True, help="Omit settings that have their defaults.")
@json_option
@data_directory.option
def show_origins(*, data_dir: Path, changed: bool, as_json: bool) -> None:
    """Print each setting of the stack with the origin of its value. Secrets are masked.

    An origin is a variable of the environment, a line of a file, or the default. The file of a
    stack contains the settings of the file and the environment of `acoustid up`, and those of its
    own servers.
    """
    stack = choose_stack(data_dir)
    origins = Origins(stack.data.config if stack.data else None)
    rows = [
        (section, name, value, origin)
        for section, name, value, origin in _rows(stack.settings(), origins)
        if not changed or origin.kind != DEFAULT
    ]
    if as_json:
        echo_json(
            [
                {"section": section, "option": name, "value": _plain(value), **asdict(origin)}
                for section, name, value, origin in rows
            ]
        )
    else:
        click.echo(_with_origins(rows))


Row = tuple[str, str, object, SettingOrigin]

_COLUMN: Final = 40
"""The column of the origins. A longer setting moves its origin to the right."""


def _rows(settings: Settings, origins: Origins) -> Iterator[Row]:
    for section in sections().values():
        for name, value in _values(_model(settings, section), section):
            source = settings.sources.get(f"{section.name}.{_source_name(section, name)}")
            yield section.name, name, value, origins.find(source)


def _with_origins(rows: Sequence[Row]) -> str:
    blocks: dict[str, list[str]] = {}
    for section, name, value, origin in rows:
        setting = f"{name} = {show(value)}".rstrip()
        line = f"{setting:<{_COLUMN}}  # {origin.describe()}"
        blocks.setdefault(section, [f"[{section}]"]).append(line)
    return "\n\n".join("\n".join(block) for block in blocks.values())


def _plain(value: object) -> object:
    """Return a value for JSON: a number, a truth value, a list of texts, a text or None."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return [str(each) for each in value] if isinstance(value, tuple) else show(value)


def describe(settings: Settings) -> str:
    """Return the settings as an INI file with masked secrets.

    A comment above each option that is not at its default names the origin of the value.
    """
    blocks = (_describe_section(settings, section) for section in sections().values())
    return "\n".join(f"{block}\n" for block in blocks)


def _describe_section(settings: Settings, section: SectionOptions) -> str:
    lines = [f"[{section.name}]"]
    for name, value in _values(_model(settings, section), section):
        origin = settings.sources.get(f"{section.name}.{_source_name(section, name)}")
        lines += [f"# from {origin}"] if origin else []
        lines.append(f"{name} = {show(value)}".rstrip())
    return "\n".join(lines)


def _model(settings: Settings, section: SectionOptions) -> BaseModel:
    model: Any = settings
    for step in section.location:
        model = getattr(model, step)
    found: BaseModel = model
    return found


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
