"""``acoustid musicbrainz``: loads and follows MusicBrainz, and checks a mirror."""

import click

from cli.argument_checks import CheckedGroup
from cli.commands.musicbrainz.connect import connect
from cli.commands.musicbrainz.follow import follow
from cli.commands.musicbrainz.load import load


@click.group(cls=CheckedGroup)
def musicbrainz() -> None:
    """Manage the copy of MusicBrainz, the source of metadata."""


musicbrainz.add_command(load)
musicbrainz.add_command(follow)
musicbrainz.add_command(connect)
