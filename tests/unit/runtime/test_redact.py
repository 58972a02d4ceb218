"""Secrets are masked in fields, texts and nested values."""

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.runtime.redact import MASK, is_secret_name, redact, redact_fields, redact_text


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "secret",
        "apikey",
        "API_Key",
        "client",
        "user",
        "user_key",
        "sentry_dsn",
        "token",
        "Authorization",
        "Set-Cookie",
    ],
)
def test_names_of_secrets(name: str) -> None:
    """Fields of these names are masked."""
    assert is_secret_name(name)
    assert redact_fields({name: "x"}) == {name: MASK}


@pytest.mark.parametrize(
    "name", ["user_id", "user_agent", "clientversion", "duration", "key_count", "tokens", "event"]
)
def test_names_of_no_secrets(name: str) -> None:
    """Fields of these names are shown."""
    assert redact_fields({name: "x"}) == {name: "x"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at redis://:hunter2@host:6379/0 now", "at redis://:***@host:6379/0 now"),
        ("postgresql+psycopg2://me:hunter2@h/db", "postgresql+psycopg2://me:***@h/db"),
        ("a://u:hun@ter2@h and b://u:hunter2@h", "a://u:***@h and b://u:***@h"),
        ("https://hunter2@sentry.example/1", "https://***@sentry.example/1"),
        ("redis://me@host/0", "redis://me@host/0"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("GET /v2/lookup?client=hunter2&duration=3", "GET /v2/lookup?client=***&duration=3"),
        ("user=hunter2;x", "user=***;x"),
        ("{'apikey': 'hunter2', 'n': 1}", "{'apikey': ***, 'n': 1}"),
        ('{"password": "hunter2"}', '{"password": ***}'),
        ("host=h password='hun ter2' port=1", "host=h password=*** port=1"),
        ("db_password=hunter2", "db_password=***"),
        ("Authorization: Bearer hunter2", "Authorization: ***"),
        ("password: hunter2", "password: ***"),
        ("Error while talking to client: timed out", "Error while talking to client: timed out"),
        ("superuser=yes", "superuser=yes"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_in_text(text: str, shown: str) -> None:
    """Logins in URLs and assigned secrets are masked, and nothing else."""
    assert redact_text(text) == shown


def test_nested_values_are_redacted() -> None:
    """Secrets are found in structures; numbers stay numbers, and the rest becomes text."""
    identity = uuid.uuid4()
    value = {
        "outer": [{"password": "x", "n": 1}, ("client=x",)],
        "none": None,
        "flag": True,
        "real": 0.5,
        "numpy": np.int64(3),
        "nan": float("nan"),
        "bytes": b"1234",
        "uuid": identity,
        "hidden": SecretStr("x"),
        "error": ValueError("token=x"),
        "password": None,
        1: "a",
    }
    assert redact(value) == {
        "outer": [{"password": MASK, "n": 1}, ["client=***"]],
        "none": None,
        "flag": True,
        "real": 0.5,
        "numpy": 3,
        "nan": "nan",
        "bytes": "<4 bytes>",
        "uuid": str(identity),
        "hidden": "**********",
        "error": "token=***",
        "password": None,
        "1": "a",
    }


def test_recursive_values_are_cut_off() -> None:
    """A value that contains itself is cut off."""
    loop: list[object] = []
    loop.append(loop)
    assert "..." in str(redact(loop))


@given(st.text())
def test_text_without_assignment_or_url_is_unchanged(text: str) -> None:
    """Only assignments and URLs are changed."""
    plain = text.replace("=", "").replace(":", "")
    assert redact_text(plain) == plain


@given(st.text(alphabet="abcXYZ019%!*+~.-_", min_size=8))
def test_every_password_in_a_url_is_masked(password: str) -> None:
    """This holds for any password."""
    assert redact_text(f"x redis://u:{password}@h/0 y") == "x redis://u:***@h/0 y"
