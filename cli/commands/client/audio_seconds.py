"""Durations of audio in options, in JSON-lines files and in the output of fpcalc."""

from typing import Final

import click

from api.http.parameters import parse_seconds
from pipeline.submission_fields import MAX_DURATION

RANGE: Final = f"a number of seconds from 1 to {MAX_DURATION}, such as 223 or 223.89"


def whole_seconds(value: object) -> int | None:
    """Return a duration in whole seconds, rounded half up; None if the value is not `RANGE`.

    Args:
        value: a number or a text, for example a value of a JSON object.
    """
    seconds = parse_seconds(str(value))
    return seconds if seconds is not None and 1 <= seconds <= MAX_DURATION else None


class AudioSeconds(click.ParamType[int]):
    """The value of an option ``--duration``, as whole seconds."""

    name = "seconds"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the duration in whole seconds.

        Raises:
            click.BadParameter: the value is not a duration.
        """
        seconds = whole_seconds(value)
        if seconds is None:
            self.fail(f"{value} is not {RANGE}", param, ctx)
        return seconds


AUDIO_SECONDS: Final = AudioSeconds()
