"""The form of a key that an operator gives."""

import pytest

from pipeline.catalog.app.keys.key_text import (
    MAX_KEY_LENGTH,
    InvalidKeyError,
    checked_key,
    generate_key,
    is_possible,
)
from pipeline.catalog.app.keys.known_clients import KNOWN_CLIENTS


@pytest.mark.parametrize("key", ["a", "8XaBELgH", "ключ", "k" * MAX_KEY_LENGTH])
def test_a_key_that_is_accepted_can_be_looked_up(key: str) -> None:
    assert checked_key(key) == key
    assert is_possible(key)


def test_a_generated_key_is_accepted() -> None:
    key = generate_key()
    assert checked_key(key) == key


@pytest.mark.parametrize(
    "key", ["", "k" * (MAX_KEY_LENGTH + 1), " ", "a b", "a\n", "\ta", "a\0", "a\x7f", "a\u2028b"]
)
def test_other_texts_are_refused(key: str) -> None:
    with pytest.raises(InvalidKeyError):
        checked_key(key)


def test_the_keys_of_known_clients_are_distinct_and_valid() -> None:
    keys = [checked_key(client.key) for client in KNOWN_CLIENTS.values()]
    assert len(set(keys)) == len(KNOWN_CLIENTS)
