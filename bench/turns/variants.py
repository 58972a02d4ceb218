"""The variants that take turns: checkouts and settings, each a stack with data of its own."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import Signals
from typing import Final

import click

from bench.catalogue.catalogue import Catalogue
from bench.stack.options import progress, read_settings_options
from bench.stack.stack import (
    Progress,
    StackOptions,
    Started,
    check_content,
    data_directory,
    started_stack,
)
from bench.turns.checkouts import Checkout, clean_environment
from cli.errors import StackError
from cli.stack.child_process import read_tail, spawn, wait_until
from cli.stack.data_directory import DataDir
from cli.stack.effective_settings import read_settings
from cli.stack.stopping import Escalation, stop_process

THIS: Final = "this"
OTHER: Final = "other"
NO_ANSWER_CACHE: Final = {"ACOUSTID_API_ANSWER_CACHE": "false"}
LOADING: Final = 3600.0
"""Seconds after which the loading of a catalogue is given up."""

_STOP_LOADING: Final[Escalation] = (
    (Signals.SIGINT, 90.0),  # ends its stack in order
    (Signals.SIGTERM, 10.0),
    (Signals.SIGKILL, 5.0),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A stack to compare with others.

    Attributes:
        name: in the report.
        commit: of the checkout, see `Checkout.commit`.
        settings: that differ from the defaults, by the names of their environment variables.
    """

    name: str
    checkout: Checkout
    commit: str | None
    settings: Mapping[str, str] = field(default_factory=dict)


def read_switches(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """Return the settings of each switch by its text; several in one text are set together.

    Raises:
        click.BadParameter: this version has no such setting, or the value is wrong for it.
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
    """Return this checkout with its defaults first, then the other one, then each switch."""
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
    """Return which variants are compared: this checkout with the other one, switches with it."""
    others = [each.name for each in variants if each.name != THIS]
    return [(THIS, name) if name == OTHER else (name, THIS) for name in others]


def folders(variants: Sequence[Variant]) -> list[str]:
    """Return a directory name for each variant, the same ones each time for a commit.

    Settings are not part of the data, so the variants of a commit are numbered.
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
    variants: Sequence[Variant], catalogue: Catalogue, options: StackOptions, root: Path | None
) -> Iterator[dict[str, Started]]:
    """Run all variants side by side, by their names; end them at the exit.

    Args:
        variants: each gets data of its own.
        catalogue: that each holds.
        options: that they have in common.
        root: directory in which the loaded data is kept and found again, None to delete it.

    Raises:
        StackError: a catalogue can't be loaded, or a stack doesn't start.
    """
    with ExitStack() as exits:
        directories = [
            exits.enter_context(data_directory(root / name if root else None))
            for name in folders(variants)
        ]
        for variant, data in zip(variants, directories, strict=True):
            load_catalogue(variant, data, catalogue, options.workers)
        started = {}
        for variant, data in zip(variants, directories, strict=True):
            own = replace(options, settings={**options.settings, **variant.settings})
            started[variant.name] = exits.enter_context(
                started_stack(data, own, variant.checkout, progress_of(variant.name))
            )
        yield started


def progress_of(name: str) -> Progress:
    """Return what tells of one variant among several."""
    return lambda line: progress(f"{name}: {line}")


def load_catalogue(variant: Variant, data: DataDir, catalogue: Catalogue, workers: int) -> None:
    """Fill a data directory, if it is empty, by the variant's own code.

    That code's ``bench lookup`` is run for its shortest time, since schema and index format may
    be others than here.

    Raises:
        StackError: it fails, or the directory holds another catalogue.
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
        ended = wait_until(lambda: not child.runs(), LOADING)
    finally:
        stop_process(child, _STOP_LOADING)
    if not ended or child.poll() != 0 or not check_content(data, catalogue):
        raise StackError(f"{variant.name}: loading failed; the end of {log}:\n{read_tail(log)}")
