"""Makes messages of the lines of a file, for ``acoustid ingest nats --from-file``."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from cli.commands.client.entries.entry import Entry, InvalidEntryError, Refusal, submission_pairs
from cli.commands.client.lines.json_line import read_entries
from nats_bridge.bulk_publishing import Message


def file_messages(
    source: Path | None, keys: tuple[str, str], refuse: Callable[[str, str], None]
) -> Iterator[Message]:
    """Yield a message for each line of a file that `acoustid submit` would send.

    The identifier of a message depends on the keys, the number of the line and its text. So a
    second run, and a run with a longer file, publish no line again.

    Args:
        source: a JSON-lines file, plain or compressed with gzip; None is standard input.
        keys: the key of the application and that of the user.
        refuse: called with the name of each other line, and the reason.

    Raises:
        StackError: the file cannot be opened, or has no JSON objects.
    """
    for item in read_entries(source):
        if isinstance(item, Refusal):
            refuse(item.name, item.reason)
            continue
        try:
            body = _body(item)
        except InvalidEntryError as error:
            refuse(item.name, str(error))
            continue
        yield Message(item.name, _identity(item, keys), body)


def _body(entry: Entry) -> bytes:
    """Return the JSON of a submission.

    Raises:
        InvalidEntryError: the fingerprint or the duration is missing, or a field is not valid.
    """
    fields: dict[str, str | list[str]] = {}
    for name, value in submission_pairs(entry):
        before = fields.get(name)
        if before is None:
            fields[name] = value
        else:
            fields[name] = [*(before if isinstance(before, list) else [before]), value]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _identity(entry: Entry, keys: tuple[str, str]) -> str:
    parts = (*(key.encode() for key in keys), b"%d" % entry.position, entry.identity)
    return "line-" + sha256(b"\0".join(parts)).hexdigest()[:40]
