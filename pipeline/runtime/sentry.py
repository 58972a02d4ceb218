"""Error reports to Sentry: off without a DSN, and without personal data.

A report contains the exception with its stack but without local variables, the log records before
it, SQL statements without their values, and the ids of the account and the submission. It contains
no keys, fingerprints, addresses, request bodies, query strings, names or other fields of a user.

The SDK is imported when reports are turned on: a process without a DSN does not load it.
"""

import ipaddress
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.runtime.redact import MASK, is_secret_name, redact_text
from pipeline.runtime.trace import current_trace_id
from pipeline.settings.sections import Settings

if TYPE_CHECKING:
    from sentry_sdk._types import DataCollectionUserOptions
    from sentry_sdk.integrations import Integration
    from sentry_sdk.transport import Transport
    from sentry_sdk.types import Event, Hint

_DATA_COLLECTION_OFF: "DataCollectionUserOptions" = {
    "user_info": False,
    "cookies": {"mode": "off"},
    "http_headers": {"request": {"mode": "off"}},
    "http_bodies": [],
    "url_query_params": {"mode": "off"},
    "database_query_data": False,
    "queues": False,
    "stack_frame_variables": False,
}
"""Disables all data collection of the SDK, also that of send_default_pii=False."""

_EXIT_EXCEPTIONS = (KeyboardInterrupt, SystemExit)
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
        settings: the section ``sentry``; the cluster's name becomes the tag ``cluster``.
        component: the role of this process (``api``, ``worker``), which becomes a tag.
        transport: replaces HTTP; for tests.

    Returns:
        Whether reports are on, which means that there is a DSN.
    """
    dsn = settings.sentry.dsn.get_secret_value() if settings.sentry.dsn else ""
    if not dsn:
        return False
    import sentry_sdk  # noqa: PLC0415 - see the module's docstring

    tags = {"cluster": settings.cluster.name, "component": component}

    def scrub(event: "Event", hint: "Hint") -> "Event | None":
        return before_send(event, hint, tags)

    sentry_sdk.init(
        dsn=dsn,
        environment=settings.sentry.environment,
        release=_release(),
        traces_sample_rate=settings.sentry.traces_sample_rate,
        data_collection=_DATA_COLLECTION_OFF,
        auto_session_tracking=False,
        auto_enabling_integrations=False,
        integrations=_integrations(),
        before_send=scrub,
        before_send_transaction=scrub,
        transport=transport,
    )
    return True


class Submission(Protocol):
    """The fields of a submission that a report shows."""

    @property
    def id(self) -> int:
        """Its id."""
        ...

    @property
    def account_id(self) -> int:
        """Id of the account that sent it."""
        ...

    @property
    def created(self) -> datetime:
        """When it was received."""
        ...


def bind_account(account_id: int) -> None:
    """Add the account's id to all further reports of this request or task, as their user."""
    if _is_on():
        import sentry_sdk  # noqa: PLC0415 - see the module's docstring

        sentry_sdk.set_user({"id": account_id})


def bind_submission(submissions: Sequence[Submission], stage: str) -> None:
    """Add a submission to all further reports of this task: user, tag and context.

    Reports of a batch of several submissions contain none of them. When such a batch fails, its
    halves are run again, so the last report contains the submission that fails.

    Args:
        submissions: the submissions of the stage.
        stage: the name of the stage.
    """
    if len(submissions) != 1 or not _is_on():
        return
    import sentry_sdk  # noqa: PLC0415 - see the module's docstring

    [submission] = submissions
    bind_account(submission.account_id)
    sentry_sdk.set_tag("submission_id", str(submission.id))
    received = submission.created.isoformat()
    context = {"id": submission.id, "stage": stage, "received": received}
    sentry_sdk.set_context("submission", context)


def _is_on() -> bool:
    """Return whether the SDK is loaded and initialised."""
    sdk = sys.modules.get("sentry_sdk")
    return sdk is not None and bool(sdk.is_initialized())


def before_send(event: "Event", hint: "Hint", tags: dict[str, str]) -> "Event | None":
    """Return a report with tags and without private data; None for an exit of the process."""
    exc_info = hint.get("exc_info")
    if exc_info and isinstance(exc_info[1], _EXIT_EXCEPTIONS):
        return None
    fields: dict[str, Any] = event  # type: ignore[assignment] # one of its keys at a time
    _unwrap_record(fields, hint)
    _keep_account_id(fields)
    fields["tags"] = {**(fields.get("tags") or {}), **tags, **_trace_tag()}
    if request := fields.get("request"):
        fields["request"] = {key: request[key] for key in _REQUEST_KEPT if key in request}
    for key in _SCRUBBED:
        if key in fields:
            fields[key] = _scrub(fields[key])
    return event


def _keep_account_id(fields: dict[str, Any]) -> None:
    """Drop the user unless `bind_account` set its id: integrations set names and addresses."""
    user = fields.pop("user", None) or {}
    if isinstance(user.get("id"), int):
        fields["user"] = {"id": user["id"]}


def _trace_tag() -> dict[str, str]:
    trace_id = current_trace_id()
    return {"trace_id": trace_id} if trace_id else {}


def _unwrap_record(fields: dict[str, Any], hint: "Hint") -> None:
    """Use the text of a structured log record as the message; Sentry groups reports by it."""
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
        return value  # local variables are not collected, so a stack contains source code only
    return MASK if _is_private(name) else _scrub(value)


def _is_private(name: object) -> bool:
    bare = "".join(sign for sign in str(name).lower() if sign.isalnum())
    return is_secret_name(name) or bare.rstrip("s").startswith(_PRIVATE_NAMES) or bare == "ip"


def _scrub_text(text: str) -> str:
    for pattern in (_FINGERPRINT, _NUMBERS):
        text = pattern.sub(MASK, text)
    return redact_text(_ADDRESS.sub(_mask_address, text))


def _mask_address(match: re.Match[str]) -> str:
    """Mask an IP address; keep times and version numbers, which the pattern also matches."""
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
    # Imported only when reports are on: these modules import both Falcon and Celery.
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
