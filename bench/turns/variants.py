"""The variants to compare: checkouts and settings. Each one has its own stack and data."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import Signals
from typing import Final

import click

from bench.catalogue.content import BenchCatalogue
from bench.options import progress, read_settings_options
from bench.stack.checkouts import Checkout, clean_environment
from bench.stack.launch import (
    Progress,
    RunningStack,
    StackOptions,
    check_content,
    data_directory,
    launch_stack,
)
from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import read_settings
from cli.stack.processes.child_process import read_tail, spawn
from cli.stack.processes.stopping import Escalation, stop_process
from cli.stack.processes.waiting import wait_until

THIS: Final = "this"
OTHER: Final = "other"
NO_ANSWER_CACHE: Final = {"ACOUSTID_API_ANSWER_CACHE": "false"}
LOAD_TIMEOUT: Final = 3600.0
"""Seconds that the loading of a catalogue may take."""

_STOP_LOAD: Final[Escalation] = (
    (Signals.SIGINT, 90.0),  # stops its stack
    (Signals.SIGTERM, 10.0),
    (Signals.SIGKILL, 5.0),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A version of the code with some settings.

    Attributes:
        name: the name in the report.
        checkout: the code.
        commit: the commit of the checkout, see `Checkout.commit`.
        settings: the settings that differ from the defaults, by the names of their variables.
    """

    name: str
    checkout: Checkout
    commit: str | None
    settings: Mapping[str, str] = field(default_factory=dict)


def read_switches(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """Return the settings of each ``--switch`` by its text. A text may have several settings.

    Raises:
        click.BadParameter: the setting does not exist, or its value is invalid.
    """
    found = {}
    for text in given:
        settings = read_settings_options(context, parameter, tuple(text.split()))
        if not settings:
            raise click.BadParameter("a switch is SECTION.OPTION=VALUE")
        try:
            read_settings(Path(os.devnull), settings)
        except StackError as error:
            raise click.BadParameter(f"{text!r}: {error.message}") from error
        found[text] = settings
    return found


def make_variants(
    against: Checkout | None, switches: Mapping[str, Mapping[str, str]]
) -> list[Variant]:
    """Return this checkout with its defaults, then the other one, then one variant per switch."""
    own = Checkout.own()
    commit = own.commit()
    variants = [Variant(THIS, own, commit)]
    if against:
        variants.append(Variant(OTHER, against, against.commit()))
    return [
        *variants,
        *(Variant(name, own, commit, settings) for name, settings in switches.items()),
    ]


def comparisons(variants: Sequence[Variant]) -> list[tuple[str, str]]:
    """Return the pairs to compare: this checkout to the other one, each switch to this one."""
    others = [each.name for each in variants if each.name != THIS]
    return [(THIS, name) if name == OTHER else (name, THIS) for name in others]


def folder_names(variants: Sequence[Variant]) -> list[str]:
    """Return a directory name for each variant: the commit and a number.

    Settings are not in the name, since the data does not depend on them.
    """
    seen: Counter[str] = Counter()
    names = []
    for each in variants:
        head, _, dirty = (each.commit or "unknown").partition("-")
        label = f"{head[:12]}-dirty" if dirty else head[:12]
        seen[label] += 1
        names.append(f"{label}-{seen[label]}")
    return names


@contextmanager
def running_variants(
    variants: Sequence[Variant], catalogue: BenchCatalogue, options: StackOptions, root: Path | None
) -> Iterator[dict[str, RunningStack]]:
    """Run all variants during the block. Yield their stacks by name.

    Args:
        variants: the variants; each one has its own data.
        catalogue: the content of all stacks.
        options: the options of all stacks.
        root: the directory that keeps the loaded data; None for temporary directories.

    Raises:
        StackError: a catalogue cannot be loaded, or a stack does not start.
    """
    with ExitStack() as exits:
        directories = [
            exits.enter_context(data_directory(root / name if root else None))
            for name in folder_names(variants)
        ]
        for variant, data in zip(variants, directories, strict=True):
            load_catalogue(variant, data, catalogue, options.workers)
        started = {}
        for variant, data in zip(variants, directories, strict=True):
            own = replace(options, settings={**options.settings, **variant.settings})
            started[variant.name] = exits.enter_context(
                launch_stack(data, own, variant.checkout, progress_of(variant.name))
            )
        yield started


def progress_of(name: str) -> Progress:
    """Return a progress function that adds the name of a variant."""
    return lambda line: progress(f"{name}: {line}")


def load_catalogue(
    variant: Variant, data: DataDir, catalogue: BenchCatalogue, workers: int
) -> None:
    """Fill an empty data directory with the code of the variant.

    Its ``bench lookup`` runs for the shortest time, because schema and index format may differ from
    those of this checkout.

    Raises:
        StackError: loading fails, or the directory contains another catalogue.
    """
    if check_content(data, catalogue):
        return
    progress_of(variant.name)("loading the catalogue")
    data.create()
    log = data.log("load")
    command = variant.checkout.command(
        *("bench", "lookup", "--data-dir", str(data.root), "--workers", str(workers)),
        *("--fingerprints", str(catalogue.fingerprints), "--seed", str(catalogue.seed)),
        *("--connections", "1", "--seconds", "1", "--at-share", "0"),
        *("--output", str(data.root / "load.json")),
    )
    child = spawn(command, log=log, env=clean_environment(), cwd=variant.checkout.root)
    try:
        ended = wait_until(lambda: not child.runs(), LOAD_TIMEOUT)
    finally:
        stop_process(child, _STOP_LOAD)
    if not ended or child.poll() != 0 or not check_content(data, catalogue):
        raise StackError(f"{variant.name}: loading failed; the end of {log}:\n{read_tail(log)}")
