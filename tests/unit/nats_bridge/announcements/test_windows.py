"""Windows of rows of the outbox, and the messages of rows."""

import json
from uuid import UUID

from nats_bridge.announcements.windows import LARGEST, Key, body, headers, windows
from pipeline.catalog.ingest.outbox import FinalState, OutboxRow

TASK = UUID(int=7)


def row(number: int, submission_id: int, track: int | None = None) -> OutboxRow:
    return OutboxRow(
        number,
        FinalState(
            submission_id=submission_id,
            task_id=TASK,
            track_gid=None if track is None else UUID(int=track),
            state="failed" if track is None else "imported",
        ),
    )


def divided(*rows: OutboxRow, held: set[Key] | None = None) -> list[list[int]]:
    return [[each.id for each in window] for window in windows(rows, held or set())]


def test_a_window_has_each_track_and_each_submission_once() -> None:
    assert divided() == []
    found = divided(row(1, 1, 9), row(2, 2, 8), row(3, 3, 9), row(4, 4), row(5, 5), row(6, 4, 7))
    assert found == [[1, 2], [3, 4, 5], [6]]
    assert [len(each) for each in divided(*(row(n, n) for n in range(LARGEST + 1)))] == [LARGEST, 1]


def test_rows_of_held_tracks_and_submissions_are_left_out() -> None:
    """A row that is left out holds its track too, so that later rows of the track wait for it."""
    held: set[Key] = {UUID(int=9), 5}
    rows = [row(1, 1, 9), row(2, 2, 8), row(3, 5, 7), row(4, 6, 7), row(5, 7, 6)]
    assert [[each.id for each in window] for window in windows(rows, held)] == [[2, 5]]
    assert UUID(int=7) in held


def test_a_row_that_is_held_after_a_window_is_left_out_of_the_next_one() -> None:
    held: set[Key] = set()
    found = windows([row(1, 1, 9), row(2, 2, 9), row(3, 3, 8), row(4, 4, 9)], held)
    assert [each.id for each in next(found)] == [1]
    held.add(UUID(int=9))
    assert [[each.id for each in window] for window in found] == [[3]]


def test_the_message_of_a_row() -> None:
    final = FinalState(
        submission_id=3,
        task_id=TASK,
        track_gid=UUID(int=1),
        mbid=UUID(int=2),
        state="imported",
        message_id="é",
        message_sequence=5,
    )
    assert json.loads(body(OutboxRow(12, final))) == {
        "number": 12,
        "submission_id": 3,
        "task_id": str(TASK),
        "track_id": str(UUID(int=1)),
        "mbid": str(UUID(int=2)),
        "state": "imported",
        "reason": None,
        "message_id": "é",
        "message_sequence": 5,
    }
    assert headers(OutboxRow(12, final)) == {"Nats-Msg-Id": f"{TASK}:12"}
