"""The schema in the documentation is that of the code, and permits what is accepted."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from nats_bridge.ingest.message_schema import message_schema, schema_text
from tests.unit.nats_bridge.ingest.test_message import EXAMPLES, ITEMS, WORD, check

FILE = Path(__file__).parents[4] / "docs" / "nats-message.schema.json"
VALIDATOR = jsonschema_rs.validator_for(message_schema())


def is_permitted(message: object) -> bool:
    return VALIDATOR.is_valid(message)


def test_the_file_has_the_schema_of_the_code() -> None:
    """`python -m nats_bridge.ingest.message_schema > docs/nats-message.schema.json` writes it."""
    assert FILE.read_text("utf-8") == schema_text()


@settings(deadline=None, max_examples=EXAMPLES)
@given(ITEMS)
def test_accepted_messages_are_permitted(item: dict[str, Any]) -> None:
    assert is_permitted(item) or check(item).refused


@pytest.mark.parametrize(
    "message",
    [
        17,
        [],
        {"fingerprint": WORD, "track": "A"},
        {"fingerprint": WORD, "duration": 241},
        {"fingerprint": WORD, "duration": 0, "track": "A"},
        {"fingerprint": WORD, "duration": 241, "track": True},
        {"fingerprint": WORD, "duration": 241, "puid": []},
        [{"fingerprint": WORD, "duration": 241, "track": "A"}] * 101,
    ],
)
def test_these_messages_are_neither_permitted_nor_accepted(message: object) -> None:
    assert not is_permitted(message)
    assert check(message).refused
