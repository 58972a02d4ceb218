"""The type of options and arguments that name a file or a directory."""

import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

EMPTY = "an empty file name"


class InputName(click.ParamType[str]):
    """A text that is not empty: the name of a file, or a fingerprint."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text.

        Raises:
            click.BadParameter: it is empty.
        """
        if not value:
            self.fail(EMPTY, param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the names of files."""
        del ctx, param
        return [CompletionItem(incomplete, type="file")]


class FileName(click.Path):
    """The name of a file or a directory. An empty one is refused: it is no name of ``.``.

    Args:
        dir_okay: whether it may name a directory.
    """

    def __init__(self, *, dir_okay: bool = True) -> None:
        # Whether it can be read shows when it is read: another file may still be usable.
        super().__init__(path_type=Path, dir_okay=dir_okay, readable=False)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401 - as the overridden method
        """Return the path.

        Raises:
            click.BadParameter: the name is empty.
        """
        if not os.fspath(value):
            self.fail(EMPTY, param, ctx)
        return super().convert(value, param, ctx)


class DirectoryName(FileName):
    """The name of a directory, which is checked when it is used."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the names of directories."""
        del ctx, param
        return [CompletionItem(incomplete, type="dir")]
