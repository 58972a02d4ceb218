"""``acoustid bench``: the group of all benchmarks.

Only the table of commands in `cli.main` refers to it.
"""

import click

from bench.bulk_import.command import import_bench
from bench.bulk_import.round_trip import round_trip
from bench.fingerprint import fingerprint
from bench.fingerprint_store import fingerprint_store
from bench.index.check.command import index_check
from bench.index.command import index, index_kills
from bench.lookup.command import lookup
from bench.lookup.overload import overload
from bench.nats.command import nats
from bench.plots import lookup_plot
from bench.stages import stages
from bench.submit.command import submit
from bench.turns.command import turns
from cli.argument_checks import CheckedGroup


@click.group(cls=CheckedGroup)
def bench() -> None:
    """Measure this software on this machine. Print the figures as JSON."""


for command in (
    lookup,
    overload,
    submit,
    nats,
    import_bench,
    round_trip,
    stages,
    turns,
    index,
    index_kills,
    index_check,
    fingerprint,
    fingerprint_store,
    lookup_plot,
):
    bench.add_command(command)
