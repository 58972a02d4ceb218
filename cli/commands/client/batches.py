"""Sends the lines of a file in batches, and collects the reasons of those that are left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import click

from cli.commands.client.http_client import Client, Form, RefusedError

ITEM_CODES: Final = frozenset({2, 3, 7, 8, 9, 10})
"""The codes of errors that are errors of single items, with the HTTP status 400."""


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The replies to the lines of a batch.

    Attributes:
        replies: the replies; more than one if the lines were sent one by one.
        skipped: the reasons of the lines that were left out, by number of the line.
    """

    replies: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)


def post_batch(
    client: Client, path: str, common: Form, lines: Mapping[int, Sequence[tuple[str, str]]]
) -> BatchAnswer:
    """Send lines in one request. If the server refuses all of them, send each one alone.

    The error of a refused request is that of its last line only.

    Args:
        client: the server and the keys.
        path: the path of the endpoint.
        common: the parameters of the request that belong to no line.
        lines: the parameters of each line by its number, which is their suffix.

    Raises:
        StackError: the server refused the request for another reason, or is unreachable.
    """
    numbered = [
        (f"{name}.{number}", value) for number, line in lines.items() for name, value in line
    ]
    try:
        reply = client.post(path, [*common, *numbered])
    except RefusedError as error:
        if error.status != 400 or error.code not in ITEM_CODES:
            raise
        if len(lines) == 1:
            return BatchAnswer(skipped=dict.fromkeys(lines, error.reason))
        return _post_one_by_one(client, path, common, lines)
    skipped = {
        int(each["index"]): str(each["error"]["message"]) for each in reply.get("skipped", ())
    }
    return BatchAnswer([reply], skipped)


def _post_one_by_one(
    client: Client, path: str, common: Form, lines: Mapping[int, Sequence[tuple[str, str]]]
) -> BatchAnswer:
    whole = BatchAnswer()
    for number, line in lines.items():
        part = post_batch(client, path, common, {number: line})
        whole.replies.extend(part.replies)
        whole.skipped.update(part.skipped)
    return whole


def report_skipped(skipped: Mapping[int, str]) -> None:
    """Print the reason of each line that was left out, to standard error."""
    for number, reason in sorted(skipped.items()):
        click.echo(f"line {number} was left out: {reason}", err=True)
