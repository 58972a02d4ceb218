"""Options, progress lines and the report of all benchmarks."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from bench.measuring import describe_machine
from pipeline.settings.option_names import variable_of


def progress(line: str) -> None:
    """Print a line to standard error. Standard output has only the report."""
    click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)


def write_report(name: str, figures: Mapping[str, Any], output: Path | None) -> None:
    """Write figures as JSON, together with a description of the machine.

    Args:
        name: the name of the benchmark.
        figures: the measured figures.
        output: the file; None for standard output.
    """
    text = json.dumps(
        {"bench": name, "machine": describe_machine(), **figures}, indent=2, ensure_ascii=False
    )
    if output:
        output.write_text(f"{text}\n", encoding="utf-8")
    else:
        click.echo(text)


class NumberList(click.ParamType[tuple[int, ...]]):
    """A list of whole numbers separated by commas.

    Args:
        least: the smallest valid number.
    """

    name = "numbers"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """Return the numbers of a text."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(each) for each in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 1,4", param, ctx)
        if min(numbers) < self._least:
            self.fail(f"{min(numbers)} is less than {self._least}", param, ctx)
        return numbers


def read_settings_options(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Convert ``section.option=value`` texts to environment variables.

    Raises:
        click.BadParameter: a text has another form.
    """
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        section, dot, option = name.rpartition(".")
        if not (equals and dot):
            raise click.BadParameter(f"{text!r} is not SECTION.OPTION=VALUE")
        found[f"{variable_of(section)}_{option.upper()}"] = value
    return found


def check_folder(
    _context: click.Context, _parameter: click.Parameter, path: Path | None
) -> Path | None:
    """Return the path of a file to write, whose folder exists.

    A benchmark of an hour must not fail when it writes its report.

    Raises:
        click.BadParameter: the folder does not exist.
    """
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"{path.parent} is no directory")
    return path


output_option: Final = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    callback=check_folder,
    help="File for the report.  [default: standard output]",
)
meta_option: Final = click.option(
    "--meta", default="", help="Parameter `meta` of each lookup.  [default: none]"
)


def connections_option(default: str) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """Return the option ``--connections`` with a default such as ``1,4``."""
    return click.option(
        "--connections",
        type=NumberList(1),
        default=default,
        show_default=True,
        help="Numbers of connections, one window for each.",
    )


def seconds_option(default: float) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """Return the option ``--seconds``."""
    return click.option(
        "--seconds",
        type=click.FloatRange(1, 60),
        default=default,
        show_default=True,
        help="Length of a window after 2 s of warm-up.",
    )
