"""Sends requests generated from the OpenAPI document and checks the replies against it."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.openapi.operations import OPERATIONS
from pipeline.lookups.condition import Condition
from tasks import queues
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tests.support.clients.web_client import Web

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)

relaxed = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_every_reply_conforms_to_the_document(make_web) -> None:
    web = make_web(fingerprint_index={"sketch_rate": 4})
    document = schemathesis.openapi.from_wsgi("/v2/openapi.json", web.app)
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > len(OPERATIONS)
    for operation in operations:
        call = relaxed(given(case=operation.as_strategy())(lambda case: ask(web, case)))
        call()


def ask(web: Web, case: Any) -> None:
    """Send a generated request with valid keys, and check the reply."""
    report = WorkerReport("all@host", queues.NAMES, Condition.OK, Condition.OK)
    heartbeats.store(web.redis, report)  # otherwise /_health_ro is 503
    for values in (case.query, case.body):
        if isinstance(values, dict):
            values.update({"client": web.application} if "client" in values else {})
            values.update({"user": web.user} if "user" in values else {})
            values.pop("wait", None)  # no worker runs, so the states would never be final
    case.call_and_validate(checks=CHECKS)
