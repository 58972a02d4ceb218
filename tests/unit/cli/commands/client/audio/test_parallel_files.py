"""Tests of the function that runs for many files."""

import threading
from pathlib import Path

import pytest

from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.parallel_files import Outcome, run_in_order

PATHS = [Path(str(number)) for number in range(50)]


def name_of(path: Path) -> str:
    if path.name == "7":
        raise BadFileError("bad")
    return path.name


def test_values_are_in_order_and_a_bad_file_does_not_end_the_run() -> None:
    batches = list(run_in_order(name_of, PATHS, jobs=4, batch=3))
    found = [each for batch in batches for each in batch]
    assert [each.path for each in found] == PATHS
    assert all(1 <= len(batch) <= 3 for batch in batches)
    failed = [each for each in found if isinstance(each.value, BadFileError)]
    assert [each.path.name for each in failed] == ["7"]
    assert all(each.value == each.path.name for each in found if each not in failed)


def test_a_finished_file_does_not_wait_for_the_next_one() -> None:
    may_end = threading.Event()

    def slow(path: Path) -> str:
        assert path.name != "1" or may_end.wait(30)
        return path.name

    batches = run_in_order(slow, PATHS[:3], jobs=2, batch=3)
    assert next(batches) == [Outcome(PATHS[0], "0")]
    may_end.set()
    assert [each.path.name for batch in batches for each in batch] == ["1", "2"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_as_many_files_run_beside_each_other_as_asked(jobs: int) -> None:
    together = threading.Barrier(jobs)

    def meet(path: Path) -> str:
        together.wait(30)
        return path.name

    assert len(list(run_in_order(meet, PATHS[: 2 * jobs], jobs=jobs, batch=1))) == 2 * jobs


def test_no_more_files_are_begun_after_the_caller_has_stopped() -> None:
    begun: list[str] = []
    threads = threading.active_count()

    def note(path: Path) -> None:
        begun.append(path.name)

    batches = run_in_order(note, PATHS, jobs=1, batch=2)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(begun) <= 3
    assert threading.active_count() == threads


def test_another_error_ends_the_run() -> None:
    def fail(path: Path) -> None:
        raise ZeroDivisionError(path)

    with pytest.raises(ZeroDivisionError):
        list(run_in_order(fail, PATHS, jobs=2, batch=2))
