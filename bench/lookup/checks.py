"""Asks some of a run's queries once more and compares each answer with the right one."""

import http.client
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from bench.lookup.queries import Asked
from cli.stack.servers.ports import LOOPBACK

ASKERS: Final = 16  # at the same time, so that answers could be mixed up
TIMEOUT: Final = 30.0

VERDICTS: Final = ("right", "missed", "wrong_track", "low_score", "false_hit", "refused")


def check(port: int, asked: Sequence[Asked]) -> dict[str, int]:
    """Return how many queries were asked, and how many answers were of each kind.

    ``right`` is the expected track first with a score that is high enough, or nothing where
    nothing is known; see `judge` for the others.
    """
    shares = [asked[number::ASKERS] for number in range(ASKERS)]
    with ThreadPoolExecutor(ASKERS) as pool:
        verdicts = pool.map(lambda share: list(_ask(port, share)), shares)
        counted = Counter(verdict for share in verdicts for verdict in share)
    return {"asked": len(asked), **{verdict: counted[verdict] for verdict in VERDICTS}}


def _ask(port: int, asked: Iterable[Asked]) -> Iterable[str]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for each in asked:
        connection.request("POST", "/v2/lookup", each.body, headers)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        yield judge(each, answer) if reply.status == http.client.OK else "refused"
    connection.close()


def judge(asked: Asked, answer: Mapping[str, Any]) -> str:
    """Return what an answer is worth: one of `VERDICTS`.

    A known query may be ``missed`` (no result), get the ``wrong_track`` first, or the right one
    with a ``low_score``; an unknown one may get a ``false_hit``.
    """
    results = answer["results"]
    if asked.track is None:
        return "false_hit" if results else "right"
    if not results:
        return "missed"
    if results[0]["id"] != str(asked.track):
        return "wrong_track"
    return "right" if results[0]["score"] >= asked.least_score else "low_score"
