"""Reads the settings: defaults, then the file, then the environment.

`load_settings` reads them at each call. There is no global settings object.
"""

import configparser
import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.settings.ini_file import ini_parser, read_ini
from pipeline.settings.nats_checks import nats_problems
from pipeline.settings.option_names import (
    PREFIX,
    READ_ONLY,
    RESERVED,
    Option,
    resolve_option,
    resolve_variable,
    sections,
)
from pipeline.settings.paths import WORKING_DIRECTORY, absolute_text, default_paths
from pipeline.settings.sections import Settings
from pipeline.settings.sketch_checks import sketch_problems
from pipeline.settings.tls_checks import tls_problems

DEFAULT_PATH = Path("acoustid.conf")


class ConfigError(ValueError):
    """The configuration is invalid. The message lists every problem and contains no secret."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__(list(self.problems))

    def __str__(self) -> str:
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        return f"the configuration cannot be used:{lines}"


@dataclass(frozen=True, slots=True)
class Given:
    """The value of one option in the file or in the environment.

    Attributes:
        option: the option.
        text: the value, or the path of the file with the value; paths are absolute.
        is_file: whether `text` is such a path.
        origin: the variable's name, or the file and the option.
    """

    option: Option
    text: str
    is_file: bool
    origin: str


Layer = dict[tuple[str, ...], Given]


def load_settings(
    path: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    embedded: bool = False,
) -> Settings:
    """Read the configuration file and the environment.

    All paths in the settings are absolute. `pipeline.settings.paths` has the rule.

    Args:
        path: the path of the INI file. By default it is the variable ``ACOUSTID_CONFIG``, else
            ``acoustid.conf`` in the working directory if that exists, else there is no file.
        environ: the environment, `os.environ` by default.
        embedded: whether `acoustid up` adds the options of its own servers and files afterwards.

    Raises:
        ConfigError: lists all problems. Examples: a missing file, an unknown option, a value of
            the wrong type, a secret that is given twice, a certificate that cannot be used.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    from_file = _read_file(Path(path) if path else configuration_file(environ), problems)
    from_environment = _read_environment(environ, problems)
    given = _read_secrets({**from_file, **from_environment}, problems)
    values = _inherit(given)
    try:
        settings = Settings.model_validate(_as_tree(values))
        problems += tls_problems(settings)
        problems += nats_problems(settings)
        problems += sketch_problems(settings, embedded=embedded)
    except ValidationError as error:
        problems += _explain(error, values)
    if problems:
        raise ConfigError(problems)
    return settings


def configuration_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that `load_settings` reads by default; None without one."""
    named = environ.get("ACOUSTID_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_PATH if DEFAULT_PATH.exists() else None


def _read_file(path: Path | None, problems: list[str]) -> Layer:
    layer: Layer = {}
    if path is None:
        return layer
    parser = _parse(path, problems)
    for name in parser.sections():
        section = sections().get(name)
        if section is None:
            problems.append(f"{path}: unknown section [{name}]{_hint(name, sections())}")
            continue
        for key, text in parser.items(name):
            found = resolve_option(section, key)
            if found is None:
                hint = _hint(key, section.options)
                problems.append(f"{path}: unknown option {key} in [{name}]{hint}")
            elif "\n" in text:
                remedy = f", or put it into a file and set {key}_file" if found[0].secret else ""
                problems.append(
                    f"{path}: [{name}] {key} spans several lines: unindent the next line{remedy}"
                )
            else:
                given = _given(*found, text, path.parent, f"{path}: [{name}] {key}")
                _add(layer, given, problems)
    return layer


def _parse(path: Path, problems: list[str]) -> configparser.ConfigParser:
    try:
        return read_ini(path)
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        problems.append(f"{path}: is not UTF-8 text")
    except configparser.Error as error:
        problems += [f"{path}: {fault}" for fault in _faults(error)]
    return ini_parser()


def _faults(error: configparser.Error) -> list[str]:
    """Return messages with line numbers but without the lines, which may contain a secret."""
    match error:
        case configparser.DuplicateSectionError():
            return [f"line {error.lineno}: section [{error.section}] is given twice"]
        case configparser.DuplicateOptionError():
            return [f"line {error.lineno}: [{error.section}] {error.option} is given twice"]
        case configparser.MissingSectionHeaderError():
            return [f"line {error.lineno}: an option is not in any [section]"]
        case configparser.ParsingError():
            return [f"line {line}: is not `option = value`" for line, _ in error.errors]
    return ["is not an INI file"]


def _read_environment(environ: Mapping[str, str], problems: list[str]) -> Layer:
    layer: Layer = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in RESERVED:
            continue
        found = resolve_variable(variable)
        if found is None:
            problems.append(f"{variable}: unknown variable{_hint(variable, _variables())}")
        else:
            given = _given(*found, environ[variable], WORKING_DIRECTORY, variable)
            _add(layer, given, problems)
    return layer


def _given(option: Option, is_file: bool, text: str, folder: Path, origin: str) -> Given:  # noqa: FBT001 - a pair of `resolve_option`
    return Given(option, absolute_text(option, text, folder, is_file=is_file), is_file, origin)


def _variables() -> list[str]:
    return [
        option.variable for section in sections().values() for option in section.options.values()
    ]


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f", did you mean {near[0]}?" if near else ""


def _add(layer: Layer, given: Given, problems: list[str]) -> None:
    other = layer.get(given.option.location)
    if other:
        problems.append(f"{other.origin} and {given.origin} are both given: keep one")
    layer[given.option.location] = given


def _read_secrets(layer: Layer, problems: list[str]) -> Layer:
    """Replace the paths of secret files by the content of the files."""
    read: Layer = {}
    for location, given in layer.items():
        if not given.is_file:
            read[location] = given
            continue
        text = _read_secret(given, problems)
        if text is not None:
            read[location] = Given(given.option, text, is_file=True, origin=given.origin)
    return read


def _read_secret(given: Given, problems: list[str]) -> str | None:
    try:
        text = Path(given.text).read_text(encoding="utf-8").strip()
    except OSError as error:
        # The path is not shown: it may be a password by mistake.
        problems.append(f"{given.origin}: the file cannot be read: {error.strerror}")
    except ValueError:
        problems.append(f"{given.origin}: the file is not UTF-8 text")
    else:
        if text:
            return text
        problems.append(f"{given.origin}: the file is empty")
    return None


def _inherit(layer: Layer) -> Layer:
    """Copy the values of main sections to their ``_ro`` sections, unless these have their own."""
    inherited: Layer = {}
    for (section, *rest), given in layer.items():
        if section + READ_ONLY in sections():
            inherited[section + READ_ONLY, *rest] = given
    return {**inherited, **layer}


def _as_tree(layer: Layer) -> dict[str, Any]:
    values: dict[tuple[str, ...], object] = dict(default_paths())
    for location, given in layer.items():
        values[location] = None if given.option.nullable and not given.text else given.text
    tree: dict[str, Any] = {"sources": _sources(layer)}
    for (*path, name), value in values.items():
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node[name] = value
    return tree


def _sources(layer: Layer) -> dict[str, str]:
    return {".".join(location): given.origin for location, given in layer.items()}


def _explain(error: ValidationError, layer: Layer) -> list[str]:
    problems = []
    for detail in error.errors(include_input=False, include_url=False):
        location = tuple(str(step) for step in detail["loc"])
        given = layer[location]
        message = detail["msg"].removeprefix("Value error, ")
        # The checks of `option_types` have full messages, and a refused URL may contain a password.
        hidden = given.option.secret or detail["type"] == "value_error"
        value = "" if hidden else f" (it is {given.text!r})"
        problems.append(f"{given.origin}: {message}{value}")
    return problems
