"""Cuts entries into batches, and sends each one as one request."""

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from cli.commands.client.entries.entry import Entry, InvalidEntryError, Item, Pairs, Refusal
from cli.commands.client.entries.read_ahead import END, ReadAhead
from cli.commands.client.http_client import (
    Client,
    Form,
    RefusedError,
    given_reason,
    index_of,
    list_of,
)

ITEM_CODES: Final = frozenset({2, 3, 7, 8, 9, 10})
"""The codes of errors that are errors of single items, with the HTTP status 400."""

TOO_LARGE: Final = 413
"""The HTTP status for a request with too many bytes or items."""

MAX_REQUEST: Final = 1_048_576
"""The maximum size of a form in bytes, before compression. It is the limit of the service."""

MAX_FORM: Final = MAX_REQUEST - 16_384
"""The maximum size of the parameters of entries. The rest is for the keys and for `meta`."""

SEND_AFTER: Final = 1.0
"""Seconds after which a batch is sent that is not full: its input may be written slowly."""

_MAX_ITEMS: Final = 1000  # entries of a batch, with those that are not sent


@dataclass(slots=True)
class Batch:
    """Consecutive entries, and what is known of them before they are sent.

    Attributes:
        items: all entries and refusals, in order.
        forms: the parameters of each entry to send, with suffixes, by position.
        refused: why the other ones are refused, by position.
        size: the size of the parameters in a form, in bytes.
    """

    items: list[Item] = field(default_factory=list)
    forms: dict[int, Pairs] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    size: int = 0
    began: float = field(default_factory=time.monotonic)

    def add(self, item: Item, pairs_of: Callable[[Entry], Pairs], count: int) -> bool:
        """Add an entry; return false, without adding it, if it needs a new batch."""
        if len(self.forms) == count or len(self.items) == _MAX_ITEMS:
            return False
        if not self.items:
            self.began = time.monotonic()
        try:
            form = _form(item, pairs_of)
        except InvalidEntryError as error:
            self.refused[item.position] = str(error)
        else:
            size = _size(form)
            if self.size + size > MAX_FORM:
                return False
            self.forms[item.position] = form
            self.size += size
        self.items.append(item)
        return True

    def seconds_left(self) -> float | None:
        """Return the seconds after which it is sent even if it is not full; None if it is empty."""
        return max(0.0, self.began + SEND_AFTER - time.monotonic()) if self.items else None


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to one request of a batch.

    Attributes:
        items: the entries that are done with it: those of the request, and refused ones among them.
        reply: the reply; empty if no entry of the request was accepted.
        refused: why entries are refused, by position.
    """

    items: list[Item]
    reply: Mapping[str, Any]
    refused: dict[int, str]

    def reason_of(self, item: Item) -> str:
        """Return why an entry is refused."""
        return self.refused.get(item.position) or given_reason(None)


def _form(item: Item, pairs_of: Callable[[Entry], Pairs]) -> Pairs:
    """Return the parameters of an entry, with suffixes.

    Raises:
        InvalidEntryError: it is a refusal, or cannot be sent.
    """
    if isinstance(item, Refusal):
        raise InvalidEntryError(item.reason)
    form = [(f"{name}.{item.position}", text) for name, text in pairs_of(item)]
    try:
        size = _size(form)
    except UnicodeEncodeError as error:
        raise InvalidEntryError("a text is not valid UTF-8") from error
    if size > MAX_FORM:
        raise InvalidEntryError(f"it has {size} bytes; a request may have {MAX_FORM}")
    return form


def _size(form: Pairs) -> int:
    """Return the size of parameters in a request, in bytes."""
    return len(urlencode(form)) + 1


def cut_batches(
    items: Iterable[Item], pairs_of: Callable[[Entry], Pairs], count: int
) -> Generator[Batch, None, None]:
    """Yield batches of at most `count` entries to send, which fit into one request.

    A thread reads the entries, so a batch that is not full is sent after `SEND_AFTER`. It stops
    when the generator is closed.

    Args:
        items: the entries, in ascending order of their positions. An exception of the iterator is
            raised here, after the batch of the entries before it.
        pairs_of: returns the parameters of an entry without suffixes, or raises
            `InvalidEntryError`.
        count: maximum number of entries with parameters.
    """
    batch = Batch()
    with ReadAhead(items) as arriving:
        while (item := arriving.next(batch.seconds_left())) is not END:
            if isinstance(item, Item):
                if not batch.add(item, pairs_of, count):
                    yield batch
                    batch = Batch()
                    batch.add(item, pairs_of, count)
            elif batch.items:  # the time is over
                yield batch
                batch = Batch()
        if batch.items:
            yield batch
        arriving.raise_error()


def post_batch(client: Client, path: str, common: Form, batch: Batch) -> Iterator[Answer]:
    """Send a batch in one request. If the server refuses all of it, send each entry alone.

    The error of a refused request is that of its last entry only.

    Args:
        client: the server and the keys.
        path: the path of the endpoint.
        common: the parameters of the request that belong to no entry.
        batch: the entries.

    Yields:
        the answer to each request, in the order of the entries, as soon as it is there.

    Raises:
        StackError: the server refused the request for another reason, or is unreachable.
    """
    if not batch.forms:
        yield Answer(batch.items, {}, batch.refused)
        return
    try:
        reply = client.post(path, [*common, *_joined(batch.forms.values())])
    except RefusedError as error:
        is_of_item = error.status == 400 and error.code in ITEM_CODES
        if not is_of_item and error.status != TOO_LARGE:
            raise
        if len(batch.forms) == 1:
            refused = {at: without_suffix(error.reason, at) for at in batch.forms}
            yield Answer(batch.items, {}, batch.refused | refused)
            return
    else:
        yield Answer(batch.items, reply, batch.refused | _skipped(reply))
        return
    for item in batch.items:
        forms = {at: form for at, form in batch.forms.items() if at == item.position}
        refused = {at: reason for at, reason in batch.refused.items() if at == item.position}
        yield from post_batch(client, path, common, Batch([item], forms, refused))


def _joined(forms: Iterable[Pairs]) -> Iterator[tuple[str, str]]:
    return (pair for form in forms for pair in form)


def _skipped(reply: Mapping[str, Any]) -> dict[int, str]:
    """Return the reasons of the items that a reply leaves out, by position."""
    found: dict[int, str] = {}
    for each in list_of(reply, "skipped") if "skipped" in reply else ():
        error = each.get("error")
        message = error.get("message") if isinstance(error, dict) else None
        position = index_of(each)
        found[position] = without_suffix(given_reason(message), position)
    return found


def without_suffix(reason: str, position: int) -> str:
    """Return a reason that names parameters without the suffix that this module has added."""
    return re.sub(rf'"([a-z]+)\.{position}"', r'"\1"', reason)
