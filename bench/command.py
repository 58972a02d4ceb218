"""``acoustid bench``: what the service does in a second, and what that costs.

`cli.main` names this group as it names every subcommand; nothing of `cli` imports it.
"""

import click

from bench.index.command import index, index_kills
from bench.lookup.command import lookup
from bench.lookup.plot import lookup_plot
from bench.stages.command import stages
from bench.submit.command import submit
from bench.turns.command import turns


@click.group()
def bench() -> None:
    """Measure the service on a stack and a catalogue of its own; the figures are JSON."""


bench.add_command(lookup)
bench.add_command(submit)
bench.add_command(stages)
bench.add_command(turns)
bench.add_command(index)
bench.add_command(index_kills, "index-kills")
bench.add_command(lookup_plot, "lookup-plot")
