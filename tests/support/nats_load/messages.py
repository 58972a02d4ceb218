"""Messages with submissions: right ones, and wrong ones of every kind with their errors."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from typing import Any, Final
from uuid import UUID

import numpy as np

from nats_bridge.headers import CLIENT, MESSAGE_ID, USER
from pipeline.fingerprint.codec import encode
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.fingerprint.words import Words
from tests.support.catalogue.synthetic import fingerprint, near_copy

NUMBER: Final = "Test-Number"
"""A header of wrong messages, by which their dead letters are found."""

WORDS: Final = 200
"""Words of a fingerprint: few, but enough for the import."""

SIMILAR: Final = 0.01
"""Share of the bits in which copies of one recording differ."""

_MBIDS: Final = 0xBE9C23A7 << 96 | 0x4000_8000_0000_0000_0000


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of an application and of a user."""

    client: str
    user: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission of a message.

    Attributes:
        mbid: the MBID of its recording.
        gid: the identity of its fingerprint, which no other submission has.
        item: its JSON.
        is_importable: whether its import ends as ``imported``; otherwise as ``rejected``.
    """

    mbid: UUID
    gid: UUID
    item: dict[str, Any]
    is_importable: bool = True


@dataclass(frozen=True, slots=True)
class Refused:
    """A dead letter that must appear.

    Attributes:
        number: the header `NUMBER` of the message.
        code: the code of the error.
        reason: a part of the reason.
        body: the body of the dead letter: of the whole message, or of one item as JSON.
    """

    number: int
    code: int
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Attributes:
        body: its body.
        headers: its headers.
        submissions: the submissions that it must create.
        refused: the dead letters that it must create.
    """

    body: bytes
    headers: dict[str, str]
    submissions: Sequence[Sent] = ()
    refused: Sequence[Refused] = ()

    @property
    def has_id(self) -> bool:
        """Whether the publisher has given it an id."""
        return MESSAGE_ID in self.headers


def submission(number: int, *, copy: int = 0) -> Sent:
    """Return a submission of a recording; its copies have similar fingerprints."""
    original = fingerprint(number, WORDS)
    return _sent(number, near_copy(original, copy, SIMILAR) if copy else original)


def silent_submission(number: int) -> Sent:
    """Return a submission that the import rejects: its fingerprint has too few distinct words."""
    words = np.full(WORDS, number, np.uint32)
    return _sent(number, words, is_importable=False)


def _sent(number: int, words: Words, *, is_importable: bool = True) -> Sent:
    mbid = UUID(int=_MBIDS | number)
    item = {"fingerprint": encode(words), "duration": 100 + number % 300, "mbid": str(mbid)}
    return Sent(mbid, fingerprint_gid(1, words), item, is_importable)


def message(keys: Keys, submissions: Sequence[Sent], message_id: str | None = None) -> Message:
    """Return a message with one submission, or with a list of several."""
    items = [each.item for each in submissions]
    body = json.dumps(items if len(items) > 1 else items[0]).encode()
    return Message(body, _headers(keys, message_id), submissions)


def good_messages(
    keys: Keys, count: int, random: Random, *, lists: int, copies: int, silent: int, without_id: int
) -> list[Message]:
    """Return right messages in random order.

    Args:
        keys: the keys of their headers.
        count: the number of messages.
        random: chooses the order.
        lists: how many of them have a list of three submissions.
        copies: the number of recordings that are submitted three times.
        silent: how many of them have a submission that the import rejects.
        without_id: how many of them have no id; the first of the result are those.
    """
    singles = count - lists - silent
    numbers = iter(range(1, count + 3 * lists + 1))
    repeated = [next(numbers) for _ in range(copies)]
    recordings = [(number, copy) for number in repeated for copy in range(3)]
    recordings += [(next(numbers), 0) for _ in range(singles - len(recordings) + 3 * lists)]
    random.shuffle(recordings)
    sent = [submission(number, copy=copy) for number, copy in recordings]
    grouped = [[each] for each in sent[:singles]]
    grouped += [sent[first : first + 3] for first in range(singles, len(sent), 3)]
    grouped += [[silent_submission(next(numbers))] for _ in range(silent)]
    random.shuffle(grouped)
    return [
        message(keys, each, None if number < without_id else f"message-{number}")
        for number, each in enumerate(grouped)
    ]


Spoil = Callable[[dict[str, Any]], Any]
"""Returns the content of a wrong message, made from a right submission."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A kind of wrong message.

    Attributes:
        name: the name of the kind.
        spoil: makes the content; bytes are the body itself.
        code: the code of the error.
        reason: a part of the reason.
        headers: headers that are different; None for a missing one.
    """

    name: str
    spoil: Spoil
    code: int
    reason: str
    headers: dict[str, str | None] = field(default_factory=dict)


def _right(item: dict[str, Any]) -> Any:
    return item


def _without(name: str) -> Spoil:
    return lambda item: {key: value for key, value in item.items() if key != name}


def _with(**values: Any) -> Spoil:
    return lambda item: {**item, **values}


def _cut(item: dict[str, Any]) -> bytes:
    return json.dumps(item).encode()[:-20]


MISTAKES: Final = (
    Mistake("cut JSON", _cut, 102, "JSON"),
    Mistake("no UTF-8", lambda item: b"\xff\xfe" + json.dumps(item).encode(), 102, "JSON"),
    Mistake("no object", lambda item: item["mbid"], 102, "object"),
    Mistake("empty body", lambda _: b"", 102, "JSON"),
    Mistake("empty list", lambda _: [], 102, "no submissions"),
    Mistake("list of 101", lambda item: [item] * 101, 19, "100"),
    Mistake("unknown application", _right, 4, "API key", {CLIENT: "no-such-key"}),
    Mistake("no application", _right, 2, "client", {CLIENT: None}),
    Mistake("unknown user", _right, 6, "user API key", {USER: "no-such-user"}),
    Mistake("no user", _right, 2, "user", {USER: None}),
    Mistake("no fingerprint", _without("fingerprint"), 2, "fingerprint"),
    Mistake("bad fingerprint", _with(fingerprint="AQAAAA*"), 3, "fingerprint"),
    Mistake("no duration", _without("duration"), 2, "duration"),
    Mistake("no audio", _with(duration=0), 8, "duration"),
    Mistake("text as duration", _with(duration="long"), 2, "duration"),
    Mistake("bad MBID", _with(mbid="not-a-uuid"), 7, "mbid"),
    Mistake("no name", _without("mbid"), 2, "mbid"),
    Mistake("bad foreign id", _with(foreignid="vendor"), 10, "foreignid"),
    Mistake("huge bit rate", _with(bitrate=40_000), 9, "bitrate"),
    Mistake("nested field", _with(track={"title": "x"}), 103, "track"),
    Mistake("boolean field", _with(year=True), 103, "year"),
)
"""All kinds of messages that are refused as a whole, with the errors of ``/v2/submit``."""


def wrong_messages(keys: Keys, count: int, first: int) -> list[Message]:
    """Return wrong messages of all kinds.

    One in ten is a list with a wrong item between two right ones. None has an id.

    Args:
        keys: the keys of their headers.
        count: the number of messages.
        first: the number of their first recording.
    """
    kinds = cycle(MISTAKES)
    found = []
    for number in range(count):
        right = [submission(first + 3 * number + place) for place in range(3)]
        make = _list_with_mistake if number % 10 == 0 else _wrong
        found.append(make(keys, number, right, next(kinds)))
    return found


def _wrong(keys: Keys, number: int, right: Sequence[Sent], kind: Mistake) -> Message:
    content = kind.spoil(right[0].item)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    changed = {**_headers(keys), **kind.headers, NUMBER: str(number)}
    headers = {name: value for name, value in changed.items() if value is not None}
    return Message(body, headers, refused=[Refused(number, kind.code, kind.reason, body)])


def _list_with_mistake(keys: Keys, number: int, right: Sequence[Sent], _kind: Mistake) -> Message:
    before, spoilt, after = right
    item = _with(mbid="not-a-uuid")(spoilt.item)
    body = json.dumps([before.item, item, after.item]).encode()
    refused = Refused(number, 7, "mbid", json.dumps(item).encode())
    return Message(body, {**_headers(keys), NUMBER: str(number)}, [before, after], [refused])


def _headers(keys: Keys, message_id: str | None = None) -> dict[str, str]:
    named = {} if message_id is None else {MESSAGE_ID: message_id}
    return {CLIENT: keys.client, USER: keys.user, **named}
