"""Error reports of Sentry's client, with a transport that collects them."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import falcon
import falcon.testing
import pytest
import sentry_sdk
import sqlalchemy
import structlog
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from pipeline.runtime.logs import configure_logging, reset_logging
from pipeline.runtime.sentry import bind_account, bind_submission, init_sentry
from pipeline.runtime.trace import trace
from pipeline.settings.sections import LoggingSettings, Settings

# Far from any code that fails, for a report quotes the source around an error.
SECRET = "hunter2"
ADDRESSES = ["203.0.113.9", "2001:db8::7"]
DSN = "https://0123456789abcdef@sentry.example/1"
FINGERPRINT = "AQABz0qUkZK4oOfhL-CPc4e5C_wW2H2QH9uDL4cvoT8UNQ-eHtsE8cceeFJx-LiiHT-aPzhxoc-Opj_eI5d2"
PRIVATE = [SECRET, FINGERPRINT, *ADDRESSES, "1, 2, 3"]
LOG = structlog.get_logger("acoustid.test.sentry")


class Kept(Transport):
    """A transport that collects envelopes."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep one envelope."""
        self.envelopes.append(envelope)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The collected errors and transactions as the JSON that is sent."""
        return [
            json.loads(item.get_bytes())
            for envelope in self.envelopes
            for item in envelope.items
            if item.type in {"event", "transaction"}
        ]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The collected errors."""
        return [event for event in self.events if event.get("type") != "transaction"]


def settings_with(**sentry: Any) -> Settings:
    """Return settings that report errors, without traces by default."""
    section = {"dsn": DSN, "traces_sample_rate": 0, "environment": "testing", **sentry}
    return Settings.model_validate({"sentry": section, "cluster": {"name": "house"}})


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Report to a collecting transport, without traces."""
    transport = Kept()
    with sentry_sdk.isolation_scope():
        assert init_sentry(settings_with(), "worker", transport=transport)
        yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_without_a_dsn_nothing_is_started() -> None:
    """No DSN, no client."""
    transport = Kept()
    assert not init_sentry(Settings(), "worker", transport=transport)
    assert not sentry_sdk.is_initialized()
    sentry_sdk.capture_message("lost")
    assert transport.envelopes == []


def test_options_reach_the_client(kept: Kept) -> None:
    """The configured rate is set, and no personal data is collected."""
    assert kept.envelopes == []
    init_sentry(settings_with(traces_sample_rate=0.25), "worker", transport=kept)
    options = sentry_sdk.get_client().options
    assert options["traces_sample_rate"] == 0.25
    assert not sentry_sdk.scope.should_send_default_pii()
    assert options["data_collection"]["stack_frame_variables"] is False
    assert options["environment"] == "testing"
    assert options["release"].startswith("acoustid-pipeline")


def test_an_exception_arrives_with_its_tags(kept: Kept) -> None:
    """An error carries cluster, component and trace id, and its stack without variables."""
    with trace("GIVEN"):
        try:
            secret = FINGERPRINT
            int(f"not {len(secret)} a number")
        except ValueError as error:
            sentry_sdk.capture_exception(error)
    (event,) = kept.errors
    assert event["tags"] == {"cluster": "house", "component": "worker", "trace_id": "GIVEN"}
    (exception,) = event["exception"]["values"]
    assert exception["type"] == "ValueError"
    frame = exception["stacktrace"]["frames"][-1]
    assert frame["function"] == "test_an_exception_arrives_with_its_tags"
    assert "vars" not in frame


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_the_end_of_a_process_is_not_reported(kind: type[BaseException], kept: Kept) -> None:
    """Interrupts and exits are dropped."""
    sentry_sdk.capture_exception(kind())
    assert kept.errors == []


@dataclass
class Received:
    """The fields of a submission that reports show."""

    id: int
    account_id: int = 3
    created: datetime = datetime(2026, 11, 30, 12, 30, 45, tzinfo=UTC)


def test_a_submission_is_in_the_reports_that_follow(kept: Kept) -> None:
    """Its id is a tag, its account is the user, and a context has its stage and time."""
    bind_submission([Received(7)], "score")
    sentry_sdk.capture_message("odd")
    (event,) = kept.errors
    assert event["user"] == {"id": 3}
    assert event["tags"]["submission_id"] == "7"
    received = "2026-11-30T12:30:45+00:00"
    context = {"id": 7, "stage": "score", "received": received}
    assert event["contexts"]["submission"] == context


def test_reports_of_a_batch_name_no_submission(kept: Kept) -> None:
    """Any of several submissions may be the reason."""
    bind_submission([Received(7), Received(8)], "score")
    sentry_sdk.capture_message("odd")
    (event,) = kept.errors
    assert "user" not in event
    assert "submission_id" not in event["tags"]


def test_a_user_is_reduced_to_the_account_id(kept: Kept) -> None:
    """A name, an address or an id that is a text is dropped."""
    bind_account(3)
    sentry_sdk.capture_message("first")
    sentry_sdk.set_user({"id": 3, "username": SECRET, "ip_address": ADDRESSES[0]})
    sentry_sdk.capture_message("second")
    sentry_sdk.set_user({"id": SECRET})
    sentry_sdk.capture_message("third")
    assert [event.get("user") for event in kept.errors] == [{"id": 3}, {"id": 3}, None]


def assert_private(kept: Kept) -> None:
    """Assert that something was sent, without private data."""
    sent = json.dumps(kept.events)
    assert kept.events
    for secret in PRIVATE:
        assert secret not in sent


def test_no_field_has_private_data(kept: Kept) -> None:
    """Keys, fingerprints and addresses are masked in messages, contexts, tags and breadcrumbs."""
    ipv4, ipv6 = ADDRESSES
    sentry_sdk.set_user({"id": SECRET, "ip_address": ipv4})
    sentry_sdk.set_tag("client", SECRET)
    sentry_sdk.set_context("asked", {"apikey": SECRET, "fingerprint.1": FINGERPRINT})
    sentry_sdk.set_context("more", {"fingerprints": [*range(1, 4)], "remote_addr": ipv4})
    sentry_sdk.add_breadcrumb(message=f"GET /v2/lookup?client={SECRET}&x={FINGERPRINT}")
    sentry_sdk.add_breadcrumb(category="net", data={"peer": f"[{ipv6}]:443", "user": SECRET})
    text = f"redis://:{SECRET}@{ipv4} from {ipv6} with {FINGERPRINT}"
    try:
        int(text)
    except ValueError as error:
        sentry_sdk.capture_exception(error)
    assert_private(kept)
    (event,) = kept.errors
    assert "user" not in event
    assert event["exception"]["values"][0]["value"].startswith("invalid literal for int()")


def test_times_and_versions_are_not_masked(kept: Kept) -> None:
    """Texts that are not addresses stay."""
    sentry_sdk.capture_message("at 12:30:45 with 1.2.3 and 999.1.1.1.")
    assert kept.errors[0]["message"] == "at 12:30:45 with 1.2.3 and 999.1.1.1."


def test_a_logged_error_is_grouped_by_its_message(kept: Kept) -> None:
    """A structured record has its message, its fields as extra and its exception."""
    configure_logging(
        LoggingSettings(level="CRITICAL", levels={"acoustid": "ERROR"}), component="x"
    )
    try:
        int(f"password={SECRET}")
    except ValueError:
        LOG.exception("import failed", submission_id=7, apikey=SECRET)
    finally:
        reset_logging()
        logging.getLogger().setLevel(logging.WARNING)
        logging.captureWarnings(capture=False)
    (event,) = kept.errors
    assert event["logentry"]["message"] == "import failed"
    assert event["extra"]["submission_id"] == 7
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert_private(kept)


class Failing:
    """A resource that fails after it has read its request."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Fail."""
        resp.text = req.bounded_stream.read().decode()
        raise LookupError("broken")


def test_a_failed_request_is_reported_without_the_request(kept: Kept) -> None:
    """Falcon's integration reports the error; of the request only method and URL are sent."""
    app = falcon.App()
    app.add_route("/v2/submit", Failing())
    falcon.testing.TestClient(app).simulate_post(
        "/v2/submit",
        query_string=f"client={SECRET}",
        body=f"user={SECRET}&fingerprint.0={FINGERPRINT}",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Forwarded-For": ADDRESSES[0],
            "Cookie": f"a={SECRET}",
        },
        remote_addr=ADDRESSES[0],
    )
    (event,) = kept.errors
    assert event["exception"]["values"][0]["type"] == "LookupError"
    assert event["request"]["method"] == "POST"
    assert set(event["request"]) == {"method", "url"}
    assert event["request"]["url"].endswith("/v2/submit")
    assert_private(kept)


class FailingForAccount:
    """A resource that fails for an account, or for no one."""

    def on_get(self, req: falcon.Request, _: falcon.Response) -> None:
        """Fail."""
        account_id = req.get_param_as_int("account")
        if account_id:
            bind_account(account_id)
        raise LookupError("broken")


def test_a_request_does_not_inherit_the_account_of_another(kept: Kept) -> None:
    """The account is bound for one request only."""
    app = falcon.App()
    app.add_route("/", FailingForAccount())
    client = falcon.testing.TestClient(app)
    client.simulate_get("/", params={"account": 3})
    client.simulate_get("/")
    assert [event.get("user") for event in kept.errors] == [{"id": 3}, None]


def test_a_transaction_carries_sql_without_its_values(kept: Kept) -> None:
    """With tracing on, a statement is a span without its parameters."""
    init_sentry(settings_with(traces_sample_rate=1), "worker", transport=kept)
    engine = sqlalchemy.create_engine("sqlite://")
    with sentry_sdk.start_transaction(name=ADDRESSES[0]), engine.connect() as connection:
        statement = sqlalchemy.text("SELECT :key AS apikey")
        connection.execute(statement, {"key": SECRET})
    (event,) = kept.events
    assert event["type"] == "transaction"
    assert event["tags"]["component"] == "worker"
    assert "SELECT ? AS apikey" in [span["description"] for span in event["spans"]]
    assert_private(kept)
