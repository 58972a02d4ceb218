"""Damaged bodies in MessagePack and JSON for the index server: a value, or its own errors."""

import json
from random import Random

import msgpack

from index_server.errors import IndexServerError
from index_server.http.formats import Format, decode


def fuzz_packed_bodies(seed: int, cases: int) -> None:
    """Decode valid, damaged and random bodies in both formats.

    Raises:
        AssertionError: a valid body has another value, or another exception is raised.
    """
    random = Random(seed)
    for case in range(cases):
        value = _value(random, 4)
        form = random.choice(list(Format))
        body = _encoded(value, form)
        assert decode(body, form) == value, f"seed {seed} case {case}: {body!r}"
        for broken in (_damaged(body, random), random.randbytes(random.randrange(40))):
            try:
                decode(broken, form)
            except IndexServerError:
                continue
            except Exception as error:
                raise AssertionError(f"seed {seed} case {case}: {form} {broken!r}") from error


def _encoded(value: object, form: Format) -> bytes:
    if form is Format.JSON:
        return json.dumps(value).encode()
    return bytes(msgpack.packb(value))


def _value(random: Random, depth: int) -> object:
    kind = random.randrange(7 if depth else 4)
    if kind == 0:
        return random.choice([None, True, False])
    if kind in {1, 2}:
        return random.choice([0, -1, 1, 127, 128, 2**31, 2**32 - 1, 2**63, -(2**63)])
    if kind == 3:
        return random.choice(["", "query", "é", "x" * 40])
    if kind in {4, 5}:
        return [_value(random, depth - 1) for _ in range(random.randrange(5))]
    names = random.sample(["query", "limit", "changes", "insert", "id", "hashes"], 3)
    return {name: _value(random, depth - 1) for name in names}


def _damaged(body: bytes, random: Random) -> bytes:
    data = bytearray(body)
    for _ in range(random.randint(1, 3)):
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data[: random.randrange(len(data) + 1)] if random.random() < 0.3 else data)
