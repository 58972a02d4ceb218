"""Waits for the final states of submissions, and prints how they ended."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import click

from cli.commands.client.http_client import Client, given_reason, list_of, number_of
from cli.commands.client.messages import counted, progress_bar, tell
from cli.errors import StackError
from cli.printable import printable

BATCH: Final = 50  # submissions in one request
POLL: Final = 0.5  # seconds
PROGRESS_TIMEOUT: Final = 120.0  # seconds without any progress

PENDING: Final = "pending"
IMPORTED: Final = "imported"


@dataclass(frozen=True, slots=True)
class FinalState:
    """How a submission ended.

    Attributes:
        state: `imported`, `rejected` or `failed`.
        reason: why it was not imported.
    """

    state: str
    reason: str


def wait_for(client: Client, submissions: Mapping[int, str]) -> dict[int, FinalState]:
    """Wait, with a progress bar, until all submissions have a final state. Return these by id.

    A submission that is not imported is named on standard error. If the wait ends early, by an
    error or by Ctrl-C, the number of final ones is told there.

    Args:
        client: the server and the keys.
        submissions: the ids, with the names of their entries.

    Raises:
        StackError: no submission was finished for two minutes. They may still be imported later.
    """
    final: dict[int, FinalState] = {}
    try:
        with progress_bar("final", total=len(submissions)) as bar:
            for number, found in _polled(client, submissions):
                final[number] = found
                bar.update()
                if found.state != IMPORTED:
                    name = submissions[number]
                    tell(f"{name}: submission {number} {found.state}: {found.reason}")
    except BaseException:  # Ctrl-C as well
        left = len(submissions) - len(final)
        done = f"{counted(len(final), 'submissions')} {'is' if len(final) == 1 else 'are'} final"
        tell(f"{done}, {left} pending; the server goes on with them")
        raise
    return final


def report(final: Mapping[int, FinalState]) -> None:
    """Print the number of submissions by state."""
    for state, count in sorted(Counter(each.state for each in final.values()).items()):
        click.echo(f"{count} {state}")


def _polled(client: Client, submissions: Mapping[int, str]) -> Iterator[tuple[int, FinalState]]:
    """Yield the final state of each submission, as soon as it has one."""
    waiting = deque(submissions)
    progress_at = time.monotonic()
    unchanged = 0  # submissions since the last progress
    while waiting:
        asked = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
        reply = client.post("/v2/submission_status", [("id", str(each)) for each in asked])
        found = {number_of(each, "id"): _state(each) for each in list_of(reply, "submissions")}
        final = {
            each: found[each] for each in asked if each in found and found[each].state != PENDING
        }
        yield from final.items()
        waiting.extend(each for each in asked if each not in final)
        if final:
            progress_at, unchanged = time.monotonic(), 0
            continue
        unchanged += len(asked)
        if time.monotonic() - progress_at > PROGRESS_TIMEOUT:
            raise StackError(
                f"no submission became final for {PROGRESS_TIMEOUT:.0f} s: see `acoustid status`"
            )
        if unchanged >= len(waiting):
            time.sleep(POLL)


def _state(item: Mapping[str, object]) -> FinalState:
    return FinalState(printable(item.get("status")), given_reason(item.get("reason")))
