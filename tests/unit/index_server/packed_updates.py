"""Bodies of updates in MessagePack: usual, unusual and invalid ones."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import msgpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

# The layout of each form of a number after its first byte.
_NUMBERS: Final = {
    0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_ODD_VALUES: Final = [
    *(None, True, False, 1.0, "1", b"1", {}, [], [1], {"i": 1}, msgpack.ExtType(1, b"")),
    *(-(2**63), -(2**31), -129, -128, -33, -32, -1, 0, 2**32, 2**63, 2**64 - 1),
]
_ODD_KEYS: Final = [
    *(msgpack.packb(key) for key in ("", "x", "é", "ié", b"c", b"i", 1, None, 1.5)),
    *(b"\xa1\xff", b"\xa2i\xff", b"\xa2h\xc3", b"\xbfi", b"\xda\x00\x01i"),
]


class UpdateEncoder:
    """Encodes random updates.

    Args:
        random: the source of all choices.
        oddness: the probability that a value, a key or a size is replaced by an unusual one, which
            may be invalid.
    """

    def __init__(self, random: Random, oddness: float) -> None:
        self._random = random
        self._oddness = oddness

    def body(self) -> bytes:
        """Return an update; sometimes it is cut off, extended, or has another byte."""
        fields = {"c": self._changes, "m": self._metadata, "e": self._version}
        body = self._map(dict(list(fields.items())[: self._random.randint(1, 3)]))
        if not self._is_odd(10):
            return body
        place = self._random.randrange(len(body))
        changed = body[:place] + self._random.randbytes(1) + body[place + 1 :]
        return self._random.choice([body[:place], body + b"\x00", changed])

    def _changes(self) -> bytes:
        return self._list(self._change, 20)

    def _change(self) -> bytes:
        if self._is_odd():
            return self._map({"s": lambda: self._map({"e": lambda: self._list(self._entry, 3)})})
        if self._random.random() < 0.2:
            return self._map({"d": lambda: self._map({"i": self._id})})
        fields = {"i": self._id, "h": lambda: self._list(self._term, 20)}
        return self._map({"i": lambda: self._map(fields)})

    def _entry(self) -> bytes:
        return self._map({"k": self._text, "v": self._text})

    def _metadata(self) -> bytes:
        return self._map({"a": self._text, "b": self._text})

    def _text(self) -> bytes:
        return self._odd() if self._is_odd() else msgpack.packb(self._random.choice(["", "a", "é"]))

    def _version(self) -> bytes:
        return self._number(2 ** self._random.randint(1, 64) - 1)

    def _id(self) -> bytes:
        return self._number(self._random.randint(1, 2 ** self._random.choice([2, 8, 16, 32]) - 1))

    def _term(self) -> bytes:
        return self._number(self._random.randrange(2 ** self._random.choice([4, 8, 16, 32])))

    def _number(self, value: int) -> bytes:
        """Encode a number in any form that has room for it."""
        if self._is_odd():
            return self._odd()
        forms = [msgpack.packb(value)] * 3
        for first, layout in _NUMBERS.items():
            try:
                forms.append(bytes([first]) + struct.pack(layout, value))
            except struct.error:
                continue
        return self._random.choice(forms)

    def _list(self, item: Callable[[], bytes], most: int) -> bytes:
        if self._is_odd():
            return self._odd()
        items = [item() for _ in range(self._random.randint(0, self._random.choice([3, most])))]
        return self._size(len(items), 0x90, 0xDC) + b"".join(items)

    def _map(self, fields: dict[str, Callable[[], bytes]]) -> bytes:
        """Encode a map, mostly with all fields, mostly in order."""
        if self._is_odd():
            return self._odd()
        letters = list(fields)
        if self._is_odd(5):
            letters = self._random.choices(letters, k=self._random.randint(0, 4))
        if self._random.random() < 0.2 and "c" not in letters:
            self._random.shuffle(letters)
        entries = [self._key(letter) + fields[letter]() for letter in letters]
        return self._size(len(entries), 0x80, 0xDE) + b"".join(entries)

    def _key(self, letter: str) -> bytes:
        if self._is_odd():
            return self._random.choice(_ODD_KEYS)
        length = self._random.choice([32, 300]) if self._is_odd() else self._random.randint(1, 31)
        packed: bytes = msgpack.packb(letter * length)
        return packed

    def _size(self, size: int, short: int, long: int) -> bytes:
        """Encode the size of a list or a map, sometimes in a longer form or too high."""
        size += self._is_odd()
        forms = [struct.pack(">BH", long, size), struct.pack(">BI", long + 1, size)]
        if size > 15 or (short == 0x80 and self._is_odd()) or self._is_odd():
            return self._random.choice([*forms, struct.pack(">BI", long + 1, 2**32 - 1)])
        return bytes([short | size])

    def _odd(self) -> bytes:
        packed: bytes = msgpack.packb(self._random.choice(_ODD_VALUES))
        return packed

    def _is_odd(self, times: float = 1) -> bool:
        return self._random.random() < self._oddness * times
