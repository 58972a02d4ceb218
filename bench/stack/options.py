"""What the benchmarks of a stack have in common: options, the stack, the frame of a report."""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import psutil

from bench.catalogue.catalogue import Catalogue
from bench.stack.stack import Stack, StackOptions, data_directory, running_stack
from cli.stack.data_directory import DataDir
from pipeline.settings.options import variable_of

DEFAULT_FINGERPRINTS: Final = 20_000


@dataclass(frozen=True)
class Plan:
    """What a benchmark of a stack runs on.

    Attributes:
        catalogue: that the stack holds.
        options: how the stack is run.
        data_dir: where it is kept for the next time, None for nowhere.
        output: file of the report, None for standard output.
    """

    catalogue: Catalogue
    options: StackOptions
    data_dir: Path | None
    output: Path | None

    @contextmanager
    def data(self) -> Iterator[DataDir]:
        """Use the stack's directory; a temporary one is deleted at the exit."""
        with data_directory(self.data_dir) as data:
            yield data

    @contextmanager
    def stack(self, data: DataDir, extra: Mapping[str, str] | None = None) -> Iterator[Stack]:
        """Run the stack.

        Args:
            data: its directory.
            extra: options beside those of the plan, by their variables' names.
        """
        settings = {**self.options.settings, **(extra or {})}
        options = StackOptions(self.options.workers, self.options.cpus, settings)
        with running_stack(data, self.catalogue, options, progress) as stack:
            yield stack

    def report(self, name: str, figures: Mapping[str, Any]) -> None:
        """Print figures as JSON, with what they were measured on."""
        frame = {
            "bench": name,
            "machine": machine(),
            "catalogue": asdict(self.catalogue),
            "stack": asdict(self.options),
            **figures,
        }
        text = json.dumps(frame, indent=2)
        if self.output:
            self.output.write_text(f"{text}\n", encoding="utf-8")
        else:
            click.echo(text)


def progress(line: str) -> None:
    """Tell whoever waits what goes on; the report alone is on standard output."""
    click.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def plan_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a `Plan` to a command, which gets it as its argument ``plan``."""

    @wraps(function)
    def command(
        *,
        fingerprints: int,
        seed: int,
        workers: int,
        cpus: tuple[int, ...],
        settings: dict[str, str],
        data_dir: Path | None,
        output: Path | None,
        **others: Any,  # noqa: ANN401 - the command's own
    ) -> None:
        plan = Plan(
            Catalogue(fingerprints, seed),
            StackOptions(workers or len(cpus) or os.cpu_count() or 1, cpus, settings),
            data_dir,
            output,
        )
        function(plan=plan, **others)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers separated by commas."""

    name = "numbers"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(
        self,
        value: Any,  # noqa: ANN401 - as click has it
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """Return the numbers of a text."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(each) for each in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers such as 1,4", param, ctx)
        if min(numbers) < self._least:
            self.fail(f"{min(numbers)} is less than {self._least}", param, ctx)
        return numbers


def read_settings_options(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Return ``section.option=value`` texts as variables of the environment."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        section, dot, option = name.rpartition(".")
        if not (equals and dot):
            raise click.BadParameter(f"{text!r} is not SECTION.OPTION=VALUE")
        found[f"{variable_of(section)}_{option.upper()}"] = value
    return found


fingerprints_option: Final = click.option(
    "--fingerprints",
    type=click.IntRange(60),
    default=DEFAULT_FINGERPRINTS,
    show_default=True,
    help="How many the catalogue holds.",
)
seed_option: Final = click.option(
    "--seed", default=1, show_default=True, help="Of all that is made up."
)
workers_option: Final = click.option(
    "--workers",
    type=click.IntRange(1),
    show_default="one per core",
    help="Number of lookup workers.",
)
output_option: Final = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="File for the report.  [default: standard output]",
)

_OPTIONS: Final = (
    fingerprints_option,
    seed_option,
    workers_option,
    click.option(
        "--cpus",
        type=Numbers(0),
        default=(),
        metavar="N,N",
        help="Cores that the stack may use, as taskset counts them.  [default: all]",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        callback=read_settings_options,
        metavar="SECTION.OPTION=VALUE",
        help="An option of the stack's configuration; may be repeated.",
    ),
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Keep the loaded catalogue here, and use it again.  [default: a temporary directory]",
    ),
    output_option,
)
