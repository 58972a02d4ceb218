"""The argument that names a track."""

from typing import Any
from uuid import UUID

import click

from cli.argument_checks import parse_id
from pipeline.catalog.fingerprint.tracks import TrackName


class TrackParameter(click.ParamType[TrackName]):
    """A track, given by its gid or its id."""

    name = "track"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> TrackName:
        """Return the gid or the id. A text of 32 digits is a gid."""
        try:
            return UUID(value)
        except ValueError:
            number = parse_id(value)
            if number is not None:
                return number
            self.fail(f"{value!r} is neither the gid nor the id of a track", param, ctx)
