"""Reports which processes of a stack still run while a command stops them."""

import time
from collections.abc import Callable, Sequence

from cli.progress import Progress
from cli.stack.processes.waiting import Pause
from cli.stack.run_state import RunningProcess


def pause_with_progress(
    processes: Sequence[RunningProcess], report: Callable[[str], None]
) -> Pause:
    """Return a function that waits, and names every few seconds the processes that still run.

    Those of later stages are not named: they are not being stopped yet.

    Args:
        processes: the processes of the stack.
        report: called with one line of text.
    """
    begun = time.monotonic()
    progress = Progress(report)

    def line() -> str:
        running = [each for each in processes if each.identity.find()]
        stage = min((each.stage for each in running), default=None)
        names = [
            f"{each.role} (pid {each.identity.pid})" for each in running if each.stage == stage
        ]
        waited = time.monotonic() - begun
        return f"waiting for the end of {', '.join(names) or 'the supervisor'} ({waited:.0f} s)"

    def pause(seconds: float) -> None:
        time.sleep(seconds)
        progress.tell(line)

    return pause
