"""A time span as an option of a command."""

import re
from datetime import timedelta
from typing import Any, Final

import click

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORM: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)([smhdw])")


class TimeSpan(click.ParamType[timedelta]):
    """A number with the unit s, m, h, d or w, such as ``30m``; or 0."""

    name = "duration"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        """Return the time span."""
        if isinstance(value, timedelta):
            return value
        if value == "0":
            return timedelta()
        match = _FORM.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not a duration: use 0, 30m, 24h or 7d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
