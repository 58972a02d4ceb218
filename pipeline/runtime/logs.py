"""Logging: all records, of this project and of libraries, go to standard output in one format.

This project logs with ``structlog.get_logger("acoustid.<package>.<module>")``, so the option
``level_acoustid`` sets the level of all its loggers. Libraries log with the standard library. One
handler on the root logger formats both: it adds the trace id and masks secrets.

Celery does not configure logging if its signal ``setup_logging`` has a receiver: connect one that
calls `configure_logging`.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, Processor, ProcessorReturnValue, WrappedLogger

from pipeline.runtime.log_stream import LogStream
from pipeline.runtime.redact import redact_fields
from pipeline.runtime.trace import current_trace_id
from pipeline.settings.sections import LoggingSettings

LINE = "%(asctime)s [%(process)d] [%(levelname)s] %(name)s: %(message)s"
DEFAULT_LEVELS = {
    "celery.app.trace": "WARNING",
    "celery.beat": "WARNING",
    "celery.worker.strategy": "WARNING",
    "uvicorn.error": "ERROR",
}
"""Default levels of some loggers.

At INFO `celery.app.trace` and `celery.worker.strategy` log the arguments and results of every task,
and `celery.beat` logs each periodic task. `uvicorn.error` logs a warning for every malformed
request.
"""

logger = structlog.get_logger("acoustid.runtime.logs")

_FOREIGN_LOGGERS = ("uvicorn", "uvicorn.error", "celery", "celery.task", "sqlalchemy")
_OWN_FIELDS = ("time", "level", "message", "logger", "trace_id", "process", "component")


class _Handler(logging.StreamHandler[LogStream]):
    """The handler of `configure_logging`, with the names of the loggers whose levels it set."""

    def __init__(self, formatter: logging.Formatter, configured_loggers: tuple[str, ...]) -> None:
        super().__init__(LogStream(sys.stdout))
        self.setFormatter(formatter)
        self.configured_loggers = configured_loggers

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. Report how many were lost before, when the reader reads again."""
        super().emit(record)
        if lost := self.stream.take_lost():
            logger.warning("log records were lost: standard output was not read", records=lost)


def configure_logging(settings: LoggingSettings, *, component: str) -> None:
    """Send the log records of this process to standard output; a second call replaces the first.

    Args:
        settings: levels and format.
        component: the role of this process (``api``, ``worker``, ``beat``, ``cli``), a field of
            each JSON line.
    """
    levels = {**DEFAULT_LEVELS, **settings.levels}
    reset_logging()
    root = logging.getLogger()
    root.addHandler(_Handler(_formatter(settings, component), tuple(levels)))
    root.setLevel(settings.level)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for name in _FOREIGN_LOGGERS:
        _send_to_root(logging.getLogger(name))
    logging.captureWarnings(capture=True)
    _configure_structlog()


def reset_logging() -> None:
    """Remove the handler of `configure_logging`, and the levels that it set."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(handler)
        for name in handler.configured_loggers:
            logging.getLogger(name).setLevel(logging.NOTSET)


def _send_to_root(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True


def _configure_structlog() -> None:
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _pass_to_stdlib(
    logger: WrappedLogger, name: str, event: EventDict
) -> tuple[tuple[EventDict], dict[str, Any]]:
    """Pass the event and its exception to the standard library, where Sentry reads them."""
    args, kwargs = ProcessorFormatter.wrap_for_formatter(logger, name, event)
    return args, {**kwargs, "exc_info": event.get("exc_info")}


_PROCESSORS: list[Processor] = [
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.PositionalArgumentsFormatter(),
    _pass_to_stdlib,
]
"""A single list: loggers cache it, and structlog's `capture_logs` replaces its items."""


def _formatter(settings: LoggingSettings, component: str) -> ProcessorFormatter:
    def stamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return _with_origin(event, component)

    render = _render_json if settings.format == "json" else _render_text
    return ProcessorFormatter(
        fmt="%(message)s" if settings.format == "json" else LINE,
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            ExtraAdder(),
            _drop_extras,
        ],
        processors=[structlog.processors.format_exc_info, stamp, render],
    )


def _drop_extras(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Drop attributes of a library's record that must not be logged."""
    # Another handler that formatted the record before, such as pytest's, adds these.
    event.pop("message", None)
    event.pop("asctime", None)
    if event["_record"].name.startswith("celery"):
        event.pop("data", None)  # a task's arguments: fingerprints and keys
    return event


def _with_origin(event: EventDict, component: str) -> EventDict:
    """Return the ordered fields with secrets masked, plus time, origin and trace id."""
    record: logging.LogRecord = event.pop("_record")
    del event["_from_structlog"]
    fields = redact_fields(event)
    stamped: EventDict = {
        "time": datetime.fromtimestamp(record.created, UTC)
        .astimezone()
        .isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": fields.pop("event", ""),
        "component": component,
        "process": record.process,
    }
    if trace_id := current_trace_id():
        stamped["trace_id"] = trace_id
    for name, value in fields.items():
        stamped[f"{name}_" if name in _OWN_FIELDS else name] = value
    return stamped


def _render_json(_: WrappedLogger, __: str, event: EventDict) -> ProcessorReturnValue:
    return json.dumps(event, separators=(",", ":"))


def _render_text(_: WrappedLogger, __: str, event: EventDict) -> ProcessorReturnValue:
    """Return the message and its fields as text; the formatter adds the start of the line."""
    fields = dict(event)
    parts = [str(fields.pop("message"))]
    exception = fields.pop("exception", None)
    for name in ("time", "level", "logger", "component", "process"):
        del fields[name]
    parts += [f"{name}={_quoted(value)}" for name, value in fields.items()]
    line = " ".join(parts)
    text = f"{line}\n{exception}" if exception else line
    # Further lines are indented to distinguish them from records.
    indented = text.replace("\r", "\\r").replace("\n", "\n    ")
    return indented.encode("utf-8", "backslashreplace").decode("utf-8")


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    plain = text.isprintable() and text and not any(sign in text for sign in ' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)
