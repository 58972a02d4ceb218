"""How fingerprints are looked up: as whole recordings, as excerpts, or with a second chance."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click

from cli.commands.client.entries.entry import Entry, Pairs, excerpt_pairs, lookup_pairs
from cli.commands.client.http_client import Form

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class SearchMode:
    """The kind of a lookup.

    Attributes:
        excerpt: the fingerprints are those of excerpts, of any part of a recording.
        second_chance: a fingerprint that the public algorithm does not find is searched for in all
            parts of the recordings.

    Raises:
        click.UsageError: both are set.
    """

    excerpt: bool = False
    second_chance: bool = False

    def __post_init__(self) -> None:
        if self.excerpt and self.second_chance:
            raise click.UsageError("give --excerpt or --second-chance, not both")

    @property
    def has_matches(self) -> bool:
        """Whether results may have `match`, the place in the recording."""
        return self.excerpt or self.second_chance

    @property
    def form(self) -> Form:
        """The parameters of a request, besides those of its fingerprints."""
        if self.excerpt:
            return [("excerpt", "1")]
        return [("second_chance", "1")] if self.second_chance else []

    @property
    def pairs_of(self) -> Callable[[Entry], Pairs]:
        """Returns the parameters of an entry; the duration of an excerpt is optional."""
        return excerpt_pairs if self.excerpt else lookup_pairs

    @property
    def nothing_found(self) -> str:
        """The text for a fingerprint without results."""
        noun = "contains this excerpt" if self.excerpt else "has this fingerprint"
        return f"No recording {noun}."


WHOLE: Final = SearchMode()
"""The lookup of the public algorithm."""


def mode_options(command: Command) -> Command:
    """Add the options ``--excerpt`` and ``--second-chance`` to a command."""
    second_chance = click.option(
        "--second-chance",
        is_flag=True,
        help="Search all parts of the recordings if the public algorithm finds nothing.",
    )
    excerpt = click.option(
        "--excerpt", is_flag=True, help="Find the recordings of which these are a part."
    )
    return excerpt(second_chance(command))
