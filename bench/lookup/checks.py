"""Sends some queries and compares the results with the correct ones."""

import http.client
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from bench.lookup.queries import BenchLookup, QueryFile, QuerySource
from bench.options import progress
from bench.stack.launch import RunningStack
from cli.errors import StackError
from cli.stack.servers.ports import LOOPBACK

CHECKED: Final = 300  # synthetic queries to check, in addition to those of real recordings
MAX_WRONG: Final = 0.01  # share of wrong results above which the figures are invalid
THREADS: Final = 16  # concurrent requests; a reply may belong to another one
TIMEOUT: Final = 30.0

VERDICTS: Final = ("right", "missed", "wrong_track", "low_score", "false_hit", "refused")


def check_answers(stack: RunningStack, source: QuerySource, queries: QueryFile) -> dict[str, Any]:
    """Check the results of some queries and of all real recordings.

    Raises:
        StackError: more than `MAX_WRONG` of the results are wrong.
    """
    progress("checking results")
    found = {
        "sample": _check(stack.port, queries.sample(CHECKED)),
        "real": _check(stack.port, list(source.real())),
    }
    for name, verdicts in found.items():
        wrong = sum(verdicts[each] for each in VERDICTS if each != "right")
        if wrong > MAX_WRONG * verdicts["sent"]:
            raise StackError(f"results are wrong ({name}): {verdicts}")
    return found


def _check(port: int, requests: Sequence[BenchLookup]) -> dict[str, int]:
    """Return the number of requests and the number of each verdict; see `judge`."""
    shares = [requests[number::THREADS] for number in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        verdicts = pool.map(lambda share: list(_send(port, share)), shares)
        counted = Counter(verdict for share in verdicts for verdict in share)
    return {"sent": len(requests), **{verdict: counted[verdict] for verdict in VERDICTS}}


def _send(port: int, requests: Iterable[BenchLookup]) -> Iterable[str]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for each in requests:
        connection.request("POST", "/v2/lookup", each.body, headers)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        yield judge(each, answer) if reply.status == http.client.OK else "refused"
    connection.close()


def judge(request: BenchLookup, answer: Mapping[str, Any]) -> str:
    """Return the verdict on a reply.

    ``right`` is a correct result. The result of a known query may be ``missed`` (empty), have the
    ``wrong_track`` first, or the right one with a ``low_score``. That of an unknown query may be a
    ``false_hit``. A query may be ``refused`` (status other than 200).
    """
    results = answer["results"]
    if request.track is None:
        return "false_hit" if results else "right"
    if not results:
        return "missed"
    if results[0]["id"] != str(request.track):
        return "wrong_track"
    return "right" if results[0]["score"] >= request.least_score else "low_score"
