"""The command behind ``make torture``.

``python -m tests.faults.torture.run --seed 1 --faults 300 --stacks 3`` runs 300 faults on three
stacks beside each other. With ``--url`` it only sends load to a running service, and checks states
and lookups through the API. ``fuzz`` as the first argument runs the fuzzers instead.
"""

import argparse
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from tests.faults.torture import faults, staging
from tests.faults.torture.campaign import Campaign
from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.fuzz import run as fuzz
from tests.faults.torture.load import Load, Target
from tests.faults.torture.model import Model
from tests.faults.torture.report import RunReport
from tests.faults.torture.stack.torture_stack import running_torture_stack

STOP: Final = threading.Event()
"""Set by SIGINT and SIGTERM: the stacks stop after their current fault."""

GOOD: Final = 0
FAILED: Final = 1
_SEEDS: Final = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["fuzz"]:
        return fuzz.main(given[1:])
    options = _parser().parse_args(given)
    if options.list:
        for kind in faults.KINDS:
            _tell(f"{kind.area:10} {kind.name}")
        return GOOD
    options.seed = secrets.randbelow(_SEEDS) if options.seed is None else options.seed
    _tell(f"seed {options.seed}")
    report = RunReport(options.seed)
    if options.url:
        target = Target(options.url, options.client, options.user, options.background)
        staging.run(target, report, options.minutes * 60, _tell)
    else:
        _torture(options, report)
    _tell(report.text())
    if options.json:
        report.write(options.json)
    return GOOD if report.is_good else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make torture", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("--seed", type=int, help="seed of all random choices [default: a new one, printed]")
    add("--faults", type=int, default=300, help="number of faults on all stacks [300]")
    add("--stacks", type=int, default=2, help="number of stacks beside each other [2]")
    add("--workers", type=int, default=1, help="lookup workers of a stack [1]")
    add("--only", action="append", default=[], help="only kinds with this text, or of this area")
    add("--minutes", type=float, default=0.0, help="end after this time, 0 for no limit [0]")
    add("--json", type=Path, help="file for the whole outcome")
    add("--list", action="store_true", help="list the kinds of faults")
    add("--url", help="address of a running service: load and checks without faults")
    add("--client", help="key of an application of that service")
    add("--user", help="key of a user of that service")
    add("--background", action="store_true", help="that service has background lookups")
    return parser


def _torture(options: argparse.Namespace, report: RunReport) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: STOP.set())
    kinds = faults.chosen(options.only)
    deadline = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    shares = [
        options.faults // options.stacks + (number < options.faults % options.stacks)
        for number in range(options.stacks)
    ]
    threads = [
        threading.Thread(target=_one_stack, args=(number, share, kinds, deadline, options, report))
        for number, share in enumerate(shares)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _one_stack(
    number: int,
    share: int,
    kinds: list[FaultKind],
    deadline: float,
    options: argparse.Namespace,
    report: RunReport,
) -> None:
    try:
        torture_one_stack(number, share, kinds, report, workers=options.workers, deadline=deadline)
    except Exception as error:  # noqa: BLE001 - the other stacks go on
        report.problems.append(f"stack {number}: {type(error).__name__}: {error}")


def torture_one_stack(
    number: int,
    share: int,
    kinds: list[FaultKind],
    report: RunReport,
    *,
    workers: int = 1,
    deadline: float = float("inf"),
    is_short: bool = False,
) -> None:
    """Start a stack, run faults on it under load, and reconcile.

    Args:
        number: the number of the stack, part of its seeds.
        share: the number of faults.
        kinds: the kinds of faults.
        report: receives the outcome.
        workers: the number of lookup workers.
        deadline: the time (monotonic) after which no fault begins.
        is_short: whether the stack is made without small disks and changeable clocks, and only
            the last fault waits for final states.
    """
    seed = report.seed + number
    with running_torture_stack(workers=workers, all_faults=not is_short) as stack:
        for kind in kinds:
            problem = kind.problem(stack)
            if problem:
                report.left_out[kind.name] = problem
        load = Load(stack.target, Model(seed), seed)
        campaign = Campaign(stack, load, Random(seed), _tell, number, stop=STOP)
        campaign.is_patient = not is_short
        with load.running():
            campaign.warm_up()
            campaign.run(kinds, share, deadline)
            time.sleep(1.0)
        report.faults += campaign.reports
        count(load, report)
        report.differences[number] = campaign.reconcile()


def count(load: Load, report: RunReport) -> None:
    """Add the numbers of requests and submissions to a report."""
    found = Counter(report.counts)
    found.update(load.records.outcomes())
    found["accepted submissions"] += len(load.model.accepted)
    found["sent submissions"] += len(load.model.sent)
    report.counts = dict(found)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
