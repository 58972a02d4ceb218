"""The last errors in the logs of a stack."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.stack.data_directory import DataDir
from cli.stack.logs.recent_errors import MAX_ERRORS, recent_errors

NOW = datetime(2026, 11, 30, 12).astimezone()


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    made = DataDir.at(tmp_path)
    made.create()
    return made


def found(data: DataDir) -> list[tuple[str, str]]:
    return [(error.role, error.message) for error in recent_errors(data, NOW)]


def test_errors_of_all_formats_are_found_in_their_order(data: DataDir) -> None:
    data.log("api").write_text(
        "2026-11-30 11:00:02,000 [7] [INFO] acoustid.start: fine\n"
        "2026-11-30 11:00:03,000 [7] [ERROR] acoustid.api: Redis does not reply host=x\n"
        "    Traceback (most recent call last):\n"
    )
    time = datetime(2026, 11, 30, 11, 0, 1).astimezone().isoformat()
    data.log("worker-index").write_text(
        f'{{"time":"{time}","level":"error","message":"disk full"}}\n'
        '{"level":"error"}\n'
        "{broken\n"
    )
    log = data.log("supervisor")
    log.write_text("10:59:00 api ended (signal SIGKILL), restart in 1 s: see x\n11:00:00 ready\n")
    os.utime(log, (NOW.timestamp(), NOW.timestamp()))
    assert found(data) == [
        ("supervisor", "api ended (signal SIGKILL), restart in 1 s: see x"),
        ("worker-index", "disk full"),
        ("api", "Redis does not reply"),
    ]


def test_an_error_with_different_fields_is_one_error_of_several_roles(data: DataDir) -> None:
    for number, role in enumerate(("worker-2", "api", "worker-1")):
        data.log(role).write_text(
            "".join(
                f"2026-11-30 11:0{number}:0{each},000 [7] [ERROR] acoustid.x: no replies "
                f'trace_id=A{role}{each} error="a \\"b\\" = c"\n'
                for each in range(3)
            )
        )
    (error,) = recent_errors(data, NOW)
    assert (error.role, error.roles) == ("worker-1", ("api", "worker-1", "worker-2"))
    assert error.message == "no replies"


def test_a_failed_task_is_one_error(data: DataDir) -> None:
    """This project and Celery log it; only Celery's line has the reason."""
    data.log("worker-index").write_text(
        "2026-11-30 11:00:00,000 [7] [ERROR] acoustid.tasks.stage_task: task failed "
        "trace_id=NG3Z task=index.update task_id=b77c\n"
        "2026-11-30 11:00:00,001 [7] [ERROR] celery.app.trace: "
        "Task index.update[b77c] raised unexpected: ValueError('no') trace_id=NG3Z\n"
    )
    assert found(data) == [("worker-index", "the task index.update failed: ValueError('no')")]


def test_routine_messages_of_postgresql_are_left_out(data: DataDir) -> None:
    time = f"{NOW.astimezone(UTC):%Y-%m-%d %H:%M:%S}.123 UTC [9] acoustid_app FATAL: "
    data.log("postgres").write_text(
        f'{time} database "acoustid_app" does not exist\n'
        f"{time} the database system is starting up\n"
        f"{time} sorry, too many clients already\n"
    )
    assert found(data) == [("postgres", "sorry, too many clients already")]


def test_old_and_repeated_errors_are_left_out(data: DataDir) -> None:
    def line(day: int, minute: int, message: str) -> str:
        return f"2026-11-{day} 11:{minute:02}:00,000 [7] [ERROR] acoustid.api: {message}\n"

    data.log("api").write_text(
        line(28, 0, "old")
        + "".join(line(30, minute, "again") for minute in range(9))
        + "".join(line(30, 10 + minute, f"error {minute}") for minute in range(MAX_ERRORS - 1))
    )
    assert found(data)[0] == ("api", "again")
    assert len(found(data)) == MAX_ERRORS


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"\xff\xfe ERROR \n"])
def test_any_log_can_be_read(data: DataDir, content: bytes) -> None:
    for role in ("api", "postgres", "supervisor"):
        data.log(role).write_bytes(content)
    assert found(data) == []
