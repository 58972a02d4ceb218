"""Submits entries in batches, with a progress bar."""

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import Final

from cli.commands.client.entries.batches import Answer, cut_batches, post_batch
from cli.commands.client.entries.entry import Item, submission_pairs
from cli.commands.client.http_client import Client, index_of, list_of, number_of
from cli.commands.client.messages import progress_bar, tell, tell_refused
from cli.commands.client.submissions.journal import Journal

BATCH: Final = 50  # entries in one request


def submit_entries(
    client: Client,
    items: Iterable[Item],
    journal: Journal,
    *,
    kind: str = "lines",
    total: int | None = None,
) -> None:
    """Submit entries in batches, and record in the journal which ones are done.

    Each refused entry is named on standard error with its reason, in the order of the entries. If
    the run ends early, by an error or by Ctrl-C, what was accepted is told there as well.

    Args:
        client: the server, the application key and the user key.
        items: the entries that are not done yet (`Journal.is_done`), in ascending order of their
            positions. Another thread iterates over them. They may come slowly: a batch that is not
            full is sent after a second.
        journal: an open journal.
        kind: how the entries are named in the plural.
        total: the number of all entries, with those of earlier runs, if it is known.

    Raises:
        StackError: the server refuses a request as a whole, or is unreachable; or the input is not
            that of the journal.
    """
    common = [("user", client.user or "")]
    began_after = journal.position
    try:
        with (
            progress_bar(kind, total=total, initial=journal.accepted + journal.refused) as bar,
            closing(cut_batches(items, submission_pairs, BATCH)) as batches,
        ):
            for batch in batches:
                for answer in post_batch(client, "/v2/submit", common, batch):
                    _record(answer, journal)
                    bar.update(len(answer.items))
        journal.check_replayed()
    except BaseException as error:
        if journal.position > began_after or isinstance(error, KeyboardInterrupt):
            tell(journal.summary())
        raise


def _record(answer: Answer, journal: Journal) -> None:
    """Record an answer, and tell what was refused."""
    names = {item.position: item.name for item in answer.items}
    submissions: dict[int, str] = {}
    accepted: Counter[int] = Counter()
    if answer.reply:
        for each in list_of(answer.reply, "submissions"):
            position = index_of(each)
            if position in names:
                submissions[number_of(each, "id")] = names[position]
                accepted[position] += 1
    journal.advance(answer.items, submissions, len(accepted))
    for item in answer.items:
        if item.position not in accepted:
            tell_refused(item.name, answer.reason_of(item))
