"""The log in both formats, for all loggers."""

import io
import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from typing import Any

import celery
import celery.signals
import pytest
import sqlalchemy
import structlog
from celery.utils.log import get_task_logger

from pipeline.runtime.logs import configure_logging, reset_logging
from pipeline.runtime.trace import trace
from pipeline.settings.sections import LoggingSettings

LOG = structlog.get_logger("acoustid.room.module")

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
    r"\[\d+\] \[(?P<level>[A-Z]+)\] (?P<name>\S+): (?P<rest>.*)"
)


@contextmanager
def logging_to(**settings: Any) -> Iterator[io.StringIO]:
    """Configure logging for a block; yield the text on standard output."""
    root = logging.getLogger()
    level = root.level
    with redirect_stdout(io.StringIO()) as out:
        configure_logging(LoggingSettings(**settings), component="worker")
        try:
            yield out
        finally:
            reset_logging()
            root.setLevel(level)
            logging.captureWarnings(capture=False)


def lines_of(out: io.StringIO) -> list[tuple[str, str, str]]:
    """Return level, logger and rest of each line of text."""
    matches = [LINE.fullmatch(line) for line in out.getvalue().splitlines()]
    return [(match["level"], match["name"], match["rest"]) for match in matches if match]


def records_of(out: io.StringIO) -> list[dict[str, Any]]:
    """Return each line of JSON."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_text_lines() -> None:
    """A line has the configured format, with the fields after the message."""
    with logging_to() as out:
        LOG.info("imported", submission_id=7, reason="too short", path="", ok=True, odd='a"b')
        logging.getLogger("celery.worker").warning("lost %s", "broker")
        LOG.debug("not shown")
    assert lines_of(out) == [
        (
            "INFO",
            "acoustid.room.module",
            'imported submission_id=7 reason="too short" path="" ok=true odd="a\\"b"',
        ),
        ("WARNING", "celery.worker", "lost broker"),
    ]
    assert out.getvalue().count("\n") == 2


def test_json_lines() -> None:
    """A JSON line has time with offset, level, logger, message, process and the record's fields."""
    with logging_to(format="json") as out:
        LOG.warning("imported", submission_id=7)
        logging.getLogger("sqlalchemy.pool").error("lost %s", "it", extra={"colour": "red"})
    ours, theirs = records_of(out)
    assert datetime.fromisoformat(ours.pop("time")).tzinfo is not None
    assert isinstance(ours.pop("process"), int)
    assert ours == {
        "level": "warning",
        "logger": "acoustid.room.module",
        "message": "imported",
        "component": "worker",
        "submission_id": 7,
    }
    assert (theirs["level"], theirs["logger"]) == ("error", "sqlalchemy.pool")
    assert (theirs["message"], theirs["colour"]) == ("lost it", "red")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_process_logs_to_standard_output_only(form: str) -> None:
    """A real process writes whole lines to standard output, nothing to standard error."""
    program = f"""
import logging, structlog
from pipeline.runtime.logs import configure_logging, reset_logging
from pipeline.settings.sections import LoggingSettings
configure_logging(LoggingSettings(format={form!r}), component="worker")
structlog.get_logger("acoustid.a").info("one")
logging.getLogger("b").info("two")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stderr == b""
    out = io.StringIO(done.stdout.decode())
    names = (
        [name for _, name, _ in lines_of(out)]
        if form == "text"
        else [record["logger"] for record in records_of(out)]
    )
    assert names == ["acoustid.a", "b"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_trace_id_and_bound_context_are_added_to_every_record(form: str) -> None:
    """Records of this project and of libraries have the trace id and the bound fields."""
    with logging_to(format=form) as out:
        with trace("GIVEN"), structlog.contextvars.bound_contextvars(stage="score"):
            LOG.info("ours")
            logging.getLogger("kombu").info("theirs")
        LOG.info("outside")
    if form == "json":
        traced = [(each.get("trace_id"), each.get("stage")) for each in records_of(out)]
        assert traced == [("GIVEN", "score"), ("GIVEN", "score"), (None, None)]
    else:
        assert [rest for _, _, rest in lines_of(out)] == [
            "ours trace_id=GIVEN stage=score",
            "theirs trace_id=GIVEN stage=score",
            "outside",
        ]


def log_exceptions() -> None:
    """Log one exception in each of the ways there are."""
    try:
        int("redis://:hunter2@host")
    except ValueError as error:
        LOG.exception("failed", cause=error)
        logging.getLogger("falcon").exception("failed too")
        LOG.warning("given", exc_info=error)


def test_exceptions_are_one_field_of_json() -> None:
    """A traceback is one field, its secrets masked."""
    with logging_to(format="json") as out:
        log_exceptions()
    records = records_of(out)
    assert [record["level"] for record in records] == ["error", "error", "warning"]
    for record in records:
        assert record["exception"].startswith("Traceback (most recent call last):\n")
        assert record["exception"].endswith("'redis://:***@host'")
    assert records[0]["cause"].endswith("'redis://:***@host'")


def test_exceptions_are_indented_lines_of_text() -> None:
    """A traceback follows its line, indented."""
    with logging_to() as out:
        log_exceptions()
    assert len(lines_of(out)) == 3
    lines = out.getvalue().splitlines()
    assert sum(line.startswith("    ") for line in lines) == len(lines) - 3
    assert out.getvalue().count("\n    Traceback") == 3


def test_a_message_cannot_look_like_another_record() -> None:
    """Line ends in a message or a value never start a line."""
    forged = "2026-01-01 00:00:00,000 [1] [INFO] root: all is well"
    with logging_to() as out:
        LOG.info("a\r\n%s", forged, value=f"b\n{forged}")
        logging.getLogger("x").info("c\n%s", forged)
    assert len(lines_of(out)) == 2
    lines = out.getvalue().splitlines()
    assert sum(line.startswith("    ") for line in lines) == len(lines) - 2


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_masked_in_both_forms(form: str) -> None:
    """Secrets are masked in fields, in messages and in the arguments of libraries."""
    with logging_to(format=form) as out:
        LOG.info("x", password="hunter2", nested={"apikey": "hunter2"}, url="redis://:hunter2@h")
        LOG.info("at https://hunter2@sentry.example/1")
        logging.getLogger("uvicorn.error").error("GET /v2/lookup?client=%s", "hunter2")
        logging.getLogger("x").info("extra", extra={"user_key": "hunter2"})
    assert "hunter2" not in out.getvalue()
    assert out.getvalue().count("***") == 6


def test_levels() -> None:
    """The level applies to all loggers without a level."""
    with logging_to(levels={"acoustid": "DEBUG", "other.a": "ERROR"}) as out:
        for name in ("acoustid.a", "other.a", "other"):
            structlog.get_logger(name).info("info")
            structlog.get_logger(name).debug("debug")
            logging.getLogger(name).debug("debug")
    assert [(level, name) for level, name, _ in lines_of(out)] == [
        ("INFO", "acoustid.a"),
        ("DEBUG", "acoustid.a"),
        ("DEBUG", "acoustid.a"),
        ("INFO", "other"),
    ]


def test_celery_does_not_log_the_arguments_of_tasks() -> None:
    """Celery's trace logger, which quotes arguments and results, is quiet at INFO."""
    with logging_to() as out:
        logging.getLogger("celery.app.trace").info("succeeded")
    assert out.getvalue() == ""


def test_beat_does_not_log_each_periodic_task() -> None:
    """At INFO, Celery's scheduler logs a line for each task that is due."""
    with logging_to() as out:
        logging.getLogger("celery.beat").info("Scheduler: Sending due task sweep-receipts")
    assert out.getvalue() == ""
    with logging_to(levels={"celery.beat": "INFO"}) as out:
        logging.getLogger("celery.beat").info("Scheduler: Sending due task sweep-receipts")
    assert "Sending due task" in out.getvalue()


def test_celerys_trace_logger_never_shows_arguments() -> None:
    """With its level set to INFO, Celery's trace logger shows no arguments of tasks."""
    with logging_to(format="json", levels={"celery.app.trace": "INFO"}) as out:
        logging.getLogger("celery.app.trace").info("succeeded", extra={"data": {"args": "AQAA"}})
    (record,) = records_of(out)
    assert record["message"] == "succeeded"
    assert "data" not in record


def test_configuring_again_replaces() -> None:
    """Called again, it leaves one handler, the new form and the new levels."""
    with logging_to(levels={"a": "DEBUG"}) as out:
        configure_logging(LoggingSettings(format="json"), component="api")
        logging.getLogger("a").debug("hidden")
        LOG.info("once")
    assert [(each["message"], each["component"]) for each in records_of(out)] == [("once", "api")]


def test_a_value_with_the_name_of_a_record_field_is_kept() -> None:
    """Both the value and the record's field are in the line."""
    with logging_to(format="json") as out:
        LOG.info("m", level="high", time=3, message="n", process="p")
    (record,) = records_of(out)
    assert (record["message"], record["level"]) == ("m", "info")
    assert (record["message_"], record["level_"], record["time_"]) == ("n", "high", 3)


def test_any_text_can_be_logged_as_json() -> None:
    """Surrogates and other scripts are unchanged after a round trip through JSON."""
    with logging_to(format="json") as out:
        LOG.info("é\ud800", value="日\udfff")
    (record,) = records_of(out)
    assert out.getvalue().isascii()
    assert (record["message"], record["value"]) == ("é\ud800", "日\udfff")


def test_any_text_can_be_logged_as_text() -> None:
    """Surrogates, which UTF-8 can't encode, are escaped."""
    with logging_to() as out:
        LOG.info("é\ud800", value="日\udfff")
    assert lines_of(out)[0][2] == 'é\\ud800 value="日\\udfff"'


def test_python_warnings_are_logged() -> None:
    """They go to the same handler."""
    with logging_to() as out:
        warnings.warn("odd", stacklevel=1)
    assert lines_of(out)[0][:2] == ("WARNING", "py.warnings")


def test_uvicorn_logs_through_the_handler() -> None:
    """Uvicorn's errors reach the one handler; its warnings, one for each bad request, don't."""
    with logging_to() as out:
        logging.getLogger("uvicorn.error").error("an error")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert [name for _, name, _ in lines_of(out)] == ["uvicorn.error"]


def test_loggers_can_be_captured_after_any_number_of_configurations() -> None:
    """A logger that was used before still reaches `capture_logs`."""
    for _ in range(2):
        with logging_to():
            LOG.info("used")
    with structlog.testing.capture_logs() as records:
        LOG.info("seen")
    assert [record["event"] for record in records] == ["seen"]


def test_celery_logs_through_the_handler() -> None:
    """With a receiver of its signal, Celery does not configure the loggers."""

    def configure(**_: object) -> None:
        configure_logging(LoggingSettings(), component="worker")

    app = celery.Celery("test", set_as_current=False)
    with logging_to() as out:
        celery.signals.setup_logging.connect(configure)
        try:
            app.log.setup(loglevel="DEBUG")
        finally:
            celery.signals.setup_logging.disconnect(configure)
        logging.getLogger("celery.worker").info("ready")
        get_task_logger("tasks.lookup").info("scored")
    assert lines_of(out) == [
        ("INFO", "celery.worker", "ready"),
        ("INFO", "tasks.lookup", "scored"),
    ]


def test_sqlalchemy_logs_through_the_handler() -> None:
    """Statements are logged once if the level of their logger is INFO."""
    engine = sqlalchemy.create_engine("sqlite://")
    with logging_to(levels={"sqlalchemy.engine": "INFO"}) as out, engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    said = [rest for _, name, rest in lines_of(out) if name == "sqlalchemy.engine.Engine"]
    assert said.count("SELECT 1") == 1
