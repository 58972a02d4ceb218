"""Error reports to Sentry: off without a DSN, and never with anybody's data in them.

What leaves: the exception with its stack (no local variables), the log records that led to it,
SQL texts without their values. What does not: keys, fingerprints, addresses, request bodies,
query strings, users.
"""

import ipaddress
import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import sentry_sdk

from pipeline.runtime.redact import MASK, is_secret_name, redact_text
from pipeline.runtime.trace import current_trace_id
from pipeline.settings.sections import Settings

if TYPE_CHECKING:
    from sentry_sdk._types import DataCollectionUserOptions
    from sentry_sdk.integrations import Integration
    from sentry_sdk.transport import Transport
    from sentry_sdk.types import Event, Hint

_NOTHING_PERSONAL: "DataCollectionUserOptions" = {
    "user_info": False,
    "cookies": {"mode": "off"},
    "http_headers": {"request": {"mode": "off"}},
    "http_bodies": [],
    "url_query_params": {"mode": "off"},
    "database_query_data": False,
    "queues": False,
    "stack_frame_variables": False,
}
"""What Sentry calls by one name in older versions: send_default_pii=False, and more."""

_ENDS_OF_PROCESS = (KeyboardInterrupt, SystemExit)
_PRIVATE_NAMES = ("fingerprint", "address", "ipaddress", "remoteaddr", "clientip", "xforwardedfor")
_REQUEST_KEPT = ("method", "url")
_SCRUBBED = (
    "breadcrumbs",
    "contexts",
    "exception",
    "extra",
    "logentry",
    "message",
    "request",
    "spans",
    "tags",
    "transaction",
)

_FINGERPRINT = re.compile(r"[A-Za-z0-9+/_=-]{64,}")
_NUMBERS = re.compile(r"(?:\d+,){15,}\d+")
_ADDRESS = re.compile(r"(?<![\w.:])[0-9a-fA-F:.]{3,45}(?![\w:])")


def init_sentry(
    settings: Settings,
    component: str,
    *,
    transport: "type[Transport] | Transport | None" = None,
) -> bool:
    """Start reporting the errors of this process.

    Args:
        settings: section ``sentry``, and the cluster's name, which becomes a tag.
        component: the part this process plays, a tag too.
        transport: another way out than HTTP.

    Returns:
        Whether there is a DSN to report to.
    """
    dsn = settings.sentry.dsn.get_secret_value() if settings.sentry.dsn else ""
    if not dsn:
        return False
    tags = {"cluster": settings.cluster.name, "component": component}

    def scrub(event: "Event", hint: "Hint") -> "Event | None":
        return before_send(event, hint, tags)

    sentry_sdk.init(
        dsn=dsn,
        environment=settings.sentry.environment,
        release=_release(),
        traces_sample_rate=settings.sentry.traces_sample_rate,
        data_collection=_NOTHING_PERSONAL,
        auto_session_tracking=False,
        auto_enabling_integrations=False,
        integrations=_integrations(),
        before_send=scrub,
        before_send_transaction=scrub,
        transport=transport,
    )
    return True


def bind_submission(submission_id: int, stage: str) -> None:
    """Mark what this task reports from now on with the submission it works on."""
    sentry_sdk.set_tag("submission_id", str(submission_id))
    sentry_sdk.set_context("submission", {"id": submission_id, "stage": stage})


def before_send(event: "Event", hint: "Hint", tags: dict[str, str]) -> "Event | None":
    """Drop what is no error, tag the rest, and take out what must not leave the house."""
    exc_info = hint.get("exc_info")
    if exc_info and isinstance(exc_info[1], _ENDS_OF_PROCESS):
        return None
    fields: dict[str, Any] = event  # type: ignore[assignment] # one of its keys at a time
    _unwrap_record(fields, hint)
    fields.pop("user", None)
    fields["tags"] = {**(fields.get("tags") or {}), **tags, **_trace_tag()}
    if request := fields.get("request"):
        fields["request"] = {key: request[key] for key in _REQUEST_KEPT if key in request}
    for key in _SCRUBBED:
        if key in fields:
            fields[key] = _scrub(fields[key])
    return event


def _trace_tag() -> dict[str, str]:
    trace_id = current_trace_id()
    return {"trace_id": trace_id} if trace_id else {}


def _unwrap_record(fields: dict[str, Any], hint: "Hint") -> None:
    """Show a structured record by its message, so that equal ones are grouped."""
    record = hint.get("log_record")
    if record is not None and isinstance(record.msg, dict):
        context = dict(record.msg)
        context.pop("exc_info", None)
        fields["logentry"] = {"message": str(context.pop("event", ""))}
        fields["extra"] = {**(fields.get("extra") or {}), **context}


def _scrub(value: Any) -> Any:  # noqa: ANN401 - an event is any JSON
    if isinstance(value, dict):
        return {key: _scrub_field(key, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_scrub(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _scrub_text(str(value))


def _scrub_field(name: str, value: Any) -> Any:  # noqa: ANN401 - an event is any JSON
    if value is None or name == "stacktrace":
        return value  # a stack is source code alone: local variables are not collected
    return MASK if _is_private(name) else _scrub(value)


def _is_private(name: object) -> bool:
    bare = "".join(sign for sign in str(name).lower() if sign.isalnum())
    return is_secret_name(name) or bare.rstrip("s").startswith(_PRIVATE_NAMES) or bare == "ip"


def _scrub_text(text: str) -> str:
    for pattern in (_FINGERPRINT, _NUMBERS):
        text = pattern.sub(MASK, text)
    return redact_text(_ADDRESS.sub(_mask_address, text))


def _mask_address(match: re.Match[str]) -> str:
    """Mask an IP address; leave a time or a version number, which look alike."""
    found = match.group()
    try:
        ipaddress.ip_address(found.rstrip("."))
    except ValueError:
        return found
    return MASK


def _release() -> str:
    try:
        return f"acoustid-pipeline@{version('acoustid-pipeline')}"
    except PackageNotFoundError:
        return "acoustid-pipeline"


def _integrations() -> "list[Integration]":
    # Imported only when reports are on: they bring the web framework into workers and the
    # other way round.
    from sentry_sdk.integrations.celery import CeleryIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.falcon import FalconIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.redis import RedisIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration  # noqa: PLC0415

    return [
        FalconIntegration(),
        CeleryIntegration(),
        SqlalchemyIntegration(),
        RedisIntegration(),
    ]
