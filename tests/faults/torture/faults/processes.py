"""Faults of processes: SIGKILL, SIGSTOP and SIGTERM of each role, and the restart command."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from random import Random
from typing import Final

import psutil

from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.stack.torture_stack import TortureStack
from tests.support.polling import eventually

ROLES: Final = ("api", "worker-lookup", "worker-submission", "worker-index", "beat")
KILLS: Final = 3
END_TIMEOUT: Final = 60.0


@contextmanager
def _signalled(
    number: signal.Signals, role: str, stack: TortureStack, random: Random
) -> Iterator[str]:
    """Send a signal to a process of a role, sometimes to its child."""
    pid, text = _choose(stack, role, random)
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    yield f"{number.name} of {text}"


@contextmanager
def _killed_repeatedly(stack: TortureStack, random: Random) -> Iterator[str]:
    """Kill the process of a role as soon as it has been started again."""
    role = random.choice(ROLES)
    killed = []
    for _ in range(KILLS):
        pid, text = _choose(stack, role, random)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        killed.append(pid)
        time.sleep(random.uniform(0.2, 1.0))
    yield f"SIGKILL of {text}, {KILLS} times"


@contextmanager
def _stopped(role: str, stack: TortureStack, random: Random) -> Iterator[str]:
    """Stop a process with its children, and continue them."""
    pid, text = _choose(stack, role, random)
    family = _family(pid)
    for each in family:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGSTOP)
    try:
        yield f"SIGSTOP of {text}"
    finally:
        for each in family:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


@contextmanager
def _supervisor_ended(
    number: signal.Signals, stack: TortureStack, _random: Random
) -> Iterator[str]:
    """End the supervisor, wait until it has ended, and start the stack again."""
    pid = stack.pids()["supervisor"]
    supervisor = psutil.Process(pid)
    supervisor.send_signal(number)
    yield f"{number.name} of the supervisor (pid {pid})"
    with suppress(psutil.NoSuchProcess):
        supervisor.wait(END_TIMEOUT)
    stack.up()


@contextmanager
def _restarted(stack: TortureStack, _random: Random) -> Iterator[str]:
    """Run `acoustid restart`."""
    done = stack.command("restart")
    yield f"acoustid restart, status {done.returncode}"
    if done.returncode:
        raise AssertionError(f"acoustid restart failed: {done.stderr}{done.stdout}")


def _choose(stack: TortureStack, role: str, random: Random) -> tuple[int, str]:
    """Return the pid of a process of a role, and its description; wait while none runs."""
    found = eventually(
        lambda: {name: pid for name, pid in stack.pids().items() if name.startswith(role)}
    )
    name = random.choice(sorted(found))
    pid = found[name]
    children = _family(pid)[1:]
    if children and random.random() < 0.5:
        return random.choice(children), f"a child of {name}"
    return pid, name


def _family(pid: int) -> list[int]:
    """Return a pid and those of its children."""
    with suppress(psutil.NoSuchProcess):
        return [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]
    return [pid]


def _kinds() -> Iterator[FaultKind]:
    for role in ROLES:
        is_api = role == "api"
        yield FaultKind(
            f"kill {role}",
            "processes",
            partial(_signalled, signal.SIGKILL, role),
            breaks_connections=is_api,
        )
        yield FaultKind(
            f"terminate {role}",
            "processes",
            partial(_signalled, signal.SIGTERM, role),
            breaks_connections=is_api,
        )
        yield FaultKind(
            f"stop {role}",
            "processes",
            partial(_stopped, role),
            seconds=(3.0, 20.0),
            breaks_connections=is_api,
            stops_front_end=is_api,
        )
    yield FaultKind(
        "stop worker for long",
        "processes",
        partial(_stopped, "worker-"),
        seconds=(20.0, 40.0),
    )
    yield FaultKind("kill repeatedly", "processes", _killed_repeatedly, breaks_connections=True)
    for number in (signal.SIGTERM, signal.SIGKILL):
        yield FaultKind(
            f"{number.name} of the supervisor",
            "processes",
            partial(_supervisor_ended, number),
            seconds=(0.0, 1.0),
            breaks_connections=True,
            stops_front_end=True,
        )
    yield FaultKind("acoustid restart", "processes", _restarted)


KINDS: Final = tuple(_kinds())
