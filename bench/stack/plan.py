"""The plan of a benchmark on a stack: catalogue, options of the stack, report."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from bench.catalogue.content import BenchCatalogue
from bench.options import (
    NumberList,
    output_option,
    progress,
    read_settings_options,
    write_report,
)
from bench.stack.launch import LoadedStack, StackOptions, data_directory, launch_loaded_stack
from cli.stack.data_directory import DataDir

DEFAULT_FINGERPRINTS: Final = 20_000


@dataclass(frozen=True)
class Plan:
    """The stack of a benchmark, and the file of its report.

    Attributes:
        catalogue: the content of the stack.
        options: the options of the stack.
        data_dir: the directory that keeps the loaded catalogue; None for a temporary one.
        output: the file of the report; None for standard output.
    """

    catalogue: BenchCatalogue
    options: StackOptions
    data_dir: Path | None
    output: Path | None

    @contextmanager
    def data(self) -> Iterator[DataDir]:
        """Provide the data directory. A temporary one is deleted at the end."""
        with data_directory(self.data_dir) as data:
            yield data

    @contextmanager
    def stack(self, data: DataDir, extra: Mapping[str, str] | None = None) -> Iterator[LoadedStack]:
        """Run the stack during the block.

        Args:
            data: its directory.
            extra: more settings, by the names of their environment variables.
        """
        settings = {**self.options.settings, **(extra or {})}
        options = StackOptions(self.options.workers, self.options.cpus, settings)
        with launch_loaded_stack(data, self.catalogue, options, progress) as stack:
            yield stack

    def report(self, name: str, figures: Mapping[str, Any]) -> None:
        """Write the report, together with the plan."""
        plan = {"catalogue": asdict(self.catalogue), "stack": asdict(self.options)}
        write_report(name, {**plan, **figures}, self.output)


def plan_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a `Plan` to a command, which receives it as the argument ``plan``."""

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
        **others: Any,  # noqa: ANN401 - options of the command itself
    ) -> None:
        plan = Plan(
            BenchCatalogue(fingerprints, seed),
            StackOptions(workers or len(cpus) or os.cpu_count() or 1, cpus, settings),
            data_dir,
            output,
        )
        function(plan=plan, **others)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


fingerprints_option: Final = click.option(
    "--fingerprints",
    type=click.IntRange(60),
    default=DEFAULT_FINGERPRINTS,
    show_default=True,
    help="Number of fingerprints in the catalogue.",
)
seed_option: Final = click.option(
    "--seed", default=1, show_default=True, help="Seed of the random data."
)
workers_option: Final = click.option(
    "--workers",
    type=click.IntRange(1),
    show_default="one per core",
    help="Number of lookup workers.",
)
_OPTIONS: Final = (
    fingerprints_option,
    seed_option,
    workers_option,
    click.option(
        "--cpus",
        type=NumberList(0),
        default=(),
        metavar="N,N",
        help="Cores that the stack may use, by their numbers.  [default: all]",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        callback=read_settings_options,
        metavar="SECTION.OPTION=VALUE",
        help="A setting of the stack; may be repeated.",
    ),
    click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Keep the loaded catalogue here and reuse it.  [default: a temporary directory]",
    ),
    output_option,
)
