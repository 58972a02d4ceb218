"""No thread waits for ever: each wait has a time limit, or a reason why it ends."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
PACKAGES: Final = ("api", "http_server", "index_server", "nats_bridge", "pipeline", "tasks")

WAITS: Final = {"result", "get", "acquire", "join", "wait", "wait_for", "communicate"}
"""Methods that wait without a limit if the limit, their last argument, is missing."""

NO_WAITS: Final = {
    "get": {
        "_TRACE_ID",
        "_background",
        "_clock",
        "_clocks",
        "_deadline",
        "_excerpt_sender",
        "_latest",
        "_lookup_sender",
        "_metrics",
        "_making",
        "_process_watch",
        "_redis",
        "_reports",
        "_resources",
        "_watchdogs",
        "self",
        "super()",
    }
}
"""Receivers whose method has the same name and does not wait: context variables and the like."""

ENDS: Final = {
    "api/health/probe_runner.py run.future.result": "the future is done",
    "api/lookups/batcher.py self._reader_wakeup.wait": "an idle thread waits for work",
    "api/submissions/group_commit.py self._has_items.wait": "an idle thread waits for work",
    "api/submissions/receipts.py request.future.result": "the future is done",
    "http_server/slot_wait.py slots.acquire": "asyncio.timeout limits it",
    "http_server/threads.py awake.acquire": "an idle thread waits for work",
    "nats_bridge/stop_wait.py stop.wait": "asyncio.wait_for limits it",
    "nats_bridge/process/service.py self._stop.wait": "it waits for a signal, or with a limit",
    "nats_bridge/link/connection.py asyncio.Event().wait": "it waits for a cancellation",
    "nats_bridge/link/connection.py attempt.failed.wait": "asyncio.wait limits it",
    "nats_bridge/link/connection.py work.result": "the task is done",
    "pipeline/bulk_import/files/reading/read_ahead.py parsed.result": (
        "the process of the pool parses a bounded batch; its death raises an error"
    ),
    "pipeline/index/merging/merge.py coming.result": "a merge uses local files only",
    "pipeline/index_http/reader.py future.result": "a search has the time limit of its lookup",
    "pipeline/runtime/links/watchdog.py self._wakeup.wait": "an idle thread waits for work",
    "pipeline/storage/background_thread.py self._changed.wait_for": "a merge uses local files only",
    "pipeline/storage/background_thread.py thread.join": "a merge ends when it is told to stop",
    "pipeline/warm_up.py process.join": "the start compiles the loops; no request waits",
}
"""Waits without a limit, and why they end."""


@cache
def unbounded_waits() -> frozenset[str]:
    """Return the file and the called method of each wait without a time limit."""
    return frozenset(_unbounded_waits())


def _unbounded_waits() -> Iterator[str]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _is_unbounded(node):
                    yield f"{path.relative_to(ROOT)} {ast.unparse(node.func)}"


def _is_unbounded(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in WAITS:
        return False
    given = len(call.args) + len(call.keywords)
    if given > (1 if function.attr == "wait_for" else 0):
        return False
    receiver = function.value
    name = receiver.attr if isinstance(receiver, ast.Attribute) else ast.unparse(receiver)
    return name.partition("()")[0] not in {
        each.partition("()")[0] for each in NO_WAITS.get(function.attr, ())
    }


def test_each_wait_has_a_limit_or_a_reason() -> None:
    """A new wait needs a time limit from the deadline of its request or task."""
    assert unbounded_waits() <= set(ENDS)


@pytest.mark.parametrize("wait", ENDS)
def test_a_reason_belongs_to_a_wait(wait: str) -> None:
    """A reason is deleted with its wait."""
    assert wait in unbounded_waits()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("future.result()", True),
        ("future.result(3)", False),
        ("lock.acquire(timeout=3)", False),
        ("self._latest.get()", False),
        ("queue.get()", True),
        ("changed.wait_for(check)", True),
        ("changed.wait_for(check, 3)", False),
        ("', '.join(words)", False),
    ],
)
def test_waits_are_recognised(text: str, expected: bool) -> None:
    """A wait without arguments has no limit."""
    [statement] = ast.parse(text).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    assert _is_unbounded(statement.value) is expected
