"""The address of a server: what can be used, and a reason for what cannot."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.commands.client.server_address import is_loopback, server_address
from cli.errors import StackError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        (" HTTP://host:5000// ", "http://host:5000"),
        ("https://host:", "https://host"),
        ("http://[::1]:5000/", "http://[::1]:5000"),
        ("http://host/v2/", "http://host"),
        ("http://host/v2/lookup", "http://host"),
        ("https://host/acoustid/v2", "https://host/acoustid"),
        ("https://host/v2lookup", "https://host/v2lookup"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert server_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "host:5000", "http://", "https:///v2", "http://[", "http://[::g]", "http://h:0"),
        *("http://h:x", "http://h:99999", "http://a b", "http://a..b", "http://h?x", "http://h#x"),
        *("http://%zz", "http://\udcff", "http://h\0", "http://" + "a" * 300),
    ],
)
def test_what_is_not_an_address(text: str) -> None:
    with pytest.raises(StackError, match="the server's address"):
        server_address(text)


def test_a_password_in_an_address_is_not_printed() -> None:
    for text in ("http://me:secret@host", "http://me:secret@host:x", "me:secret@host"):
        with pytest.raises(StackError, match="must not contain a user name") as caught:
            server_address(text)
        assert "secret" not in str(caught.value)


@settings(max_examples=50, deadline=None)
@given(st.text(), st.sampled_from(["", "http://", "https://h:", "http://["]))
def test_any_text_is_an_address_or_an_error(text: str, start: str) -> None:
    with suppress(StackError):
        address = server_address(start + text)
        assert server_address(address) == address


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", True),  # noqa: S104 - no server binds to it
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_this_machine(host: str, *, expected: bool) -> None:
    assert is_loopback(host) == expected
