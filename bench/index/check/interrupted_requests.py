"""Kills of an index server with requests in flight, and the checks after each restart.

A request in flight at a kill may be applied or not, but completely. One that was answered must be
applied.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.index.check.expected import Search, changes_body, draw_index
from bench.index.check.operations import NAMES
from bench.index.server import ConnectionLost, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from bench.index.check.expected import Changes
    from bench.index.check.operations import CheckedServer

MAX_DELAY: Final = 0.03
"""Maximum seconds from the first request in flight to the kill."""

_UPDATES: Final = 3
_MOST_CHANGES: Final = 400
_SAMPLE: Final = 25  # documents of an index to look for after a restart


@dataclass
class _InFlight:
    """A request that a thread sends.

    Attributes:
        method: the method.
        path: the path.
        body: the body.
        reply: the reply; None if the server ended before it.
    """

    method: str
    path: str
    body: object = None
    reply: Reply | None = None


def kill_and_check(checked: CheckedServer, generator: Generator) -> None:
    """Kill the server while requests are in flight, start it, and check all indexes."""
    name = NAMES[int(generator.integers(len(NAMES)))]
    if name not in checked.indexes:
        _kill_during_creation(checked, generator, name)
    elif generator.random() < 0.1:
        _kill_during_deletion(checked, generator, name)
    else:
        _kill_during_updates(checked, generator, name)
    for each in NAMES:
        if each in checked.indexes:
            check_content(checked, generator, each)
        else:
            checked.check_missing(each)


def check_content(
    checked: CheckedServer, generator: Generator, name: str, documents: Sequence[int] = ()
) -> None:
    """Compare the state of an index, and search for documents: the given ones and a sample."""
    checked.check_index(name)
    content = checked.indexes[name].content.documents
    stored = list(content)
    sample = generator.permutation(stored)[:_SAMPLE].tolist()
    for document in (*documents, *sample):
        checked.check_document(name, document)
        if document in content:
            checked.search(name, Search(content[document], 100, 1, 100))


def _kill_during_updates(checked: CheckedServer, generator: Generator, name: str) -> None:
    """Send updates of different documents at the same time, each with its own key of metadata."""
    index = checked.indexes[name]
    count = int(generator.integers(1, _UPDATES + 1))
    drawn = index.draw_changes(generator, _MOST_CHANGES)
    updates = [[each for each in drawn if each[0] % count == place] for place in range(count)]
    keys = [f"update-{place}" for place in range(count)]
    mark = str(checked.counts.kills)
    path = f"/{name}/_update"
    sent = [
        _InFlight("POST", path, {"c": changes_body(changes), "m": {key: mark}})
        for key, changes in zip(keys, updates, strict=True)
    ]
    _kill_with(checked, generator, sent)
    stored = checked.server.request("GET", f"/{name}").fields.get("m", {})
    for request, key, changes in zip(sent, keys, updates, strict=True):
        is_applied = stored.get(key) == mark
        checked.counts.in_flight_applied += is_applied
        if request.reply is not None:
            checked.counts.compare(f"{key} of {name} after its reply", is_applied, expected=True)
        if is_applied:
            index.version += 1
            index.content.apply(changes)
            index.metadata[key] = mark
    check_content(checked, generator, name, _ids(drawn))


def _kill_during_creation(checked: CheckedServer, generator: Generator, name: str) -> None:
    request = _InFlight("PUT", f"/{name}")
    _kill_with(checked, generator, [request])
    found = checked.server.request("GET", f"/{name}/_status")
    exists = found.status == 200
    checked.counts.in_flight_applied += exists
    if request.reply is not None:
        checked.counts.compare(f"{name} after its creation", exists, expected=True)
    if exists:
        checked.add(name, draw_index(generator, checked.documents), found.fields["g"])


def _kill_during_deletion(checked: CheckedServer, generator: Generator, name: str) -> None:
    request = _InFlight("DELETE", f"/{name}")
    _kill_with(checked, generator, [request])
    is_deleted = checked.server.request("GET", f"/{name}").status == 404
    checked.counts.in_flight_applied += is_deleted
    if request.reply is not None:
        checked.counts.compare(f"{name} after its deletion", not is_deleted, expected=False)
    if is_deleted:
        del checked.indexes[name]


def _kill_with(checked: CheckedServer, generator: Generator, requests: Sequence[_InFlight]) -> None:
    """Send requests, kill the server after a random time, and start it again."""

    def send(request: _InFlight) -> None:
        try:
            request.reply = checked.server.request(request.method, request.path, request.body)
        except ConnectionLost:
            request.reply = None

    threads = [threading.Thread(target=send, args=(each,), daemon=True) for each in requests]
    for thread in threads:
        thread.start()
    time.sleep(generator.uniform(0, MAX_DELAY))
    checked.server.kill()
    for thread in threads:
        thread.join()
    checked.counts.kills += 1
    checked.counts.in_flight += len(requests)
    checked.server.start()


def _ids(changes: Changes) -> list[int]:
    """Return the first ids of changes."""
    return list(dict(changes))[:_SAMPLE]
