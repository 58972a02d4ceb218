"""Tests of the circuit that refuses a dependency that is away."""

import threading
import time
from dataclasses import dataclass

import pytest
import structlog

from pipeline.runtime.links.circuit import TRIAL_WAIT, Circuit


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    """Return a closed circuit."""
    return Circuit("test", trial_time=5, first_pause=1, longest_pause=3, clock=clock)


def test_closed_circuit_admits_all(circuit: Circuit) -> None:
    """Without a failure each call is admitted."""
    assert [circuit.admits() for _ in range(3)] == [True] * 3
    assert circuit.retry_after() == 0


def test_open_circuit_refuses_until_the_pause_ends(circuit: Circuit, clock: Clock) -> None:
    """After a failure all calls are refused for the first pause, then one is admitted."""
    circuit.failed()
    assert not circuit.admits()
    assert circuit.retry_after() == 1
    clock.now += 1
    assert [circuit.admits() for _ in range(3)] == [True, False, False]


def test_successful_trial_closes_the_circuit(circuit: Circuit, clock: Clock) -> None:
    """After the success of the trial each call is admitted."""
    circuit.failed()
    clock.now += 1
    assert circuit.admits()
    circuit.succeeded()
    assert [circuit.admits() for _ in range(3)] == [True] * 3


def test_pause_grows_to_its_maximum_and_starts_anew(circuit: Circuit, clock: Clock) -> None:
    """Each failed trial doubles the pause up to the maximum; a success resets it."""
    pauses = []
    for _ in range(4):
        circuit.failed()
        pauses.append(circuit.retry_after())
        clock.now += circuit.retry_after()
        assert circuit.admits()
    assert pauses == [1, 2, 3, 3]
    circuit.succeeded()
    circuit.failed()
    assert circuit.retry_after() == 1


def test_failures_of_earlier_calls_do_not_extend_the_pause(circuit: Circuit, clock: Clock) -> None:
    """Calls that began before the circuit opened fail later; they change nothing."""
    circuit.failed()
    clock.now += 0.5
    circuit.failed()
    assert circuit.retry_after() == 0.5


def test_after_a_timeout_one_trial_is_admitted_at_once(circuit: Circuit) -> None:
    """After a use that was too late, one call finds out whether the dependency works."""
    circuit.timed_out()
    assert [circuit.admits() for _ in range(3)] == [True, False, False]
    circuit.succeeded()
    assert circuit.admits()


def test_a_timeout_and_a_failed_trial_open_the_circuit(circuit: Circuit) -> None:
    """The first pause follows, as after any first failure."""
    circuit.timed_out()
    assert circuit.admits()
    circuit.failed()
    assert circuit.retry_after() == 1
    assert not circuit.admits()


def test_outage_is_logged_once(circuit: Circuit, clock: Clock) -> None:
    """The log has the begin and the end of an outage, and nothing of a use that was slow."""
    with structlog.testing.capture_logs() as logs:
        circuit.timed_out()
        assert circuit.admits()
        circuit.succeeded()
        assert logs == []
        for _ in range(3):
            circuit.timed_out()
            clock.now += circuit.retry_after()
            assert circuit.admits()
            circuit.failed()
            clock.now += circuit.retry_after()
            assert circuit.admits()
        circuit.succeeded()
    assert [each["log_level"] for each in logs] == ["error", "info"]


def test_trial_without_a_report_is_repeated(circuit: Circuit, clock: Clock) -> None:
    """If a trial never ends, another call is admitted after the trial time."""
    circuit.failed()
    clock.now += 1
    assert circuit.admits()
    clock.now += 4.9
    assert not circuit.admits()
    clock.now += 0.1
    assert circuit.admits()


def test_a_withdrawn_trial_is_repeated_at_once(circuit: Circuit, clock: Clock) -> None:
    """A trial that ended before it used the dependency neither opens nor closes the circuit."""
    circuit.failed()
    clock.now += 1
    trial = circuit.attempt()
    circuit.withdraw(trial)
    assert circuit.retry_after() == 0
    assert circuit.attempt() > trial
    circuit.withdraw(trial)  # it is not the running trial
    assert not circuit.admits()
    circuit.withdraw()
    assert circuit.admits()


def test_a_call_that_waits_takes_a_withdrawn_trial(circuit: Circuit) -> None:
    """It does not wait for its whole time."""
    circuit.timed_out()
    trial = circuit.attempt()
    threading.Timer(TRIAL_WAIT / 4, circuit.withdraw, (trial,)).start()
    begun = time.monotonic()
    assert circuit.attempt() > trial
    assert time.monotonic() - begun < TRIAL_WAIT


def test_doubts_during_an_outage_or_a_trial_change_nothing(circuit: Circuit, clock: Clock) -> None:
    """Uses that began earlier end late; the trial's report is still awaited."""
    circuit.failed()
    circuit.timed_out()
    assert circuit.retry_after() == 1
    clock.now += 1
    trial = circuit.attempt()
    circuit.timed_out()
    circuit.failed(trial)
    assert circuit.retry_after() == 2


def test_failures_of_calls_from_before_the_trial_or_the_recovery_change_nothing(
    circuit: Circuit, clock: Clock
) -> None:
    """Only the trial ends the trial, and only a later use opens a closed circuit again."""
    early = circuit.attempt()
    circuit.failed(early)
    clock.now += 1
    trial = circuit.attempt()
    circuit.failed(early)
    assert circuit.retry_after() == 5  # the trial still runs
    circuit.succeeded()
    circuit.failed(early)
    circuit.failed(trial)
    assert circuit.admits()
    circuit.failed(circuit.attempt())
    assert not circuit.admits()
