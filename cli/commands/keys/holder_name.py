"""The name of a new application or account, as an option."""

from typing import Any, Final

import click

MAX_NAME: Final = 255
"""Maximum number of characters of a name."""


class HolderName(click.ParamType[str]):
    """A name in one line, which lists can print."""

    name = "name"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Return the name without white space at its ends."""
        name = str(value).strip()
        if not 0 < len(name) <= MAX_NAME:
            self.fail(f"a name has 1 to {MAX_NAME} characters", param, ctx)
        if not name.isprintable():
            self.fail("a name has no tabs, line breaks and control characters", param, ctx)
        return name
