"""The client's address and scheme, with and without trusted proxies."""

import pytest

from api.http.client_address import client_address, is_secure


def address(peer: str, forwarded: str | None = None, trusted: int = 0) -> str | None:
    environ = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    return client_address(environ, trusted)


def test_without_trusted_proxies_the_address_is_the_peer() -> None:
    assert address("192.0.2.1", "9.9.9.9") == "192.0.2.1"


def test_entries_of_the_client_itself_are_ignored() -> None:
    assert address("10.0.0.1", "9.9.9.9, 192.0.2.1", trusted=1) == "192.0.2.1"
    assert address("10.0.0.1", "9.9.9.9, 192.0.2.1, 10.0.0.2", trusted=2) == "192.0.2.1"


def test_without_enough_entries_the_address_is_the_peer() -> None:
    assert address("192.0.2.1", "9.9.9.9", trusted=2) == "192.0.2.1"
    assert address("192.0.2.1", "\xff", trusted=2) == "192.0.2.1"
    assert address("192.0.2.1", None, trusted=1) == "192.0.2.1"
    assert address("192.0.2.1", "", trusted=1) == "192.0.2.1"
    assert address("192.0.2.1", " \t ", trusted=1) == "192.0.2.1"


@pytest.mark.parametrize(
    "forwarded",
    [
        "\xff, 192.0.2.1",
        "\xd9\xa1.2.3.4,192.0.2.1",
        ",,192.0.2.1",
        "unknown, 192.0.2.1",
        "x" * 9000,
    ],
)
def test_only_the_entries_of_trusted_proxies_are_read(forwarded: str) -> None:
    """The client can write anything before them."""
    assert address("10.0.0.1", f"{forwarded}, 192.0.2.1", trusted=1) == "192.0.2.1"
    assert address("10.0.0.1", f"{forwarded}, 192.0.2.1, \xff", trusted=2) == "192.0.2.1"
    assert secure("http", f"{forwarded}, https", trusted=1)
    assert not secure("http", f"https, {forwarded}, http", trusted=1)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:5000", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]:5000", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:5000", "fe80::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("\t2001:db8::1 ", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:5000", "192.0.2.1"),
        ("::1", "::1"),
    ],
)
def test_forms_of_addresses(written: str, meant: str) -> None:
    assert address(written) == meant
    assert address("10.0.0.1", written, trusted=1) == meant


@pytest.mark.parametrize(
    "odd",
    [
        "unknown",
        "_hidden",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "::g",
        "1.2.3.4:",
        "1.2.3.4:x",
        "1.2.3.4:123456",
        "1.2.3.4%eth0",
        "[1.2.3.4]:5000",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[[::1]]",
        "192.0.2.1\xa0",
        "\xb9.2.3.4",
        "192.0.2.1 192.0.2.2",
        "localhost",
        "unix:",
        "1" * 200,
        "::1%" + "x" * 200,
    ],
)
def test_an_invalid_entry_is_not_replaced_by_the_peer(odd: str) -> None:
    """The peer is the proxy, whose address all its clients would share."""
    assert address("10.0.0.1", odd, trusted=1) is None
    assert address("10.0.0.1", f"192.0.2.1, {odd}", trusted=1) is None
    assert address("10.0.0.1", f"{odd}, 192.0.2.1", trusted=2) is None


def test_an_empty_entry_is_not_left_out() -> None:
    """Otherwise an entry of the client would take its place."""
    assert address("10.0.0.1", "9.9.9.9,", trusted=1) is None
    assert address("10.0.0.1", "9.9.9.9, , 192.0.2.1", trusted=2) is None
    assert address("10.0.0.1", ",", trusted=1) is None


def test_without_any_address_it_is_0_0_0_0() -> None:
    assert address("") == "0.0.0.0"  # noqa: S104 - nothing is bound
    assert client_address({}, 1) == "0.0.0.0"  # noqa: S104 - nothing is bound


def secure(scheme: str, forwarded: str | None = None, trusted: int = 0) -> bool:
    environ = {"wsgi.url_scheme": scheme}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_PROTO"] = forwarded
    return is_secure(environ, trusted)


def test_without_trusted_proxies_the_scheme_is_that_of_the_connection() -> None:
    assert secure("https")
    assert secure("https", "http")
    assert not secure("http")
    assert not secure("http", "https")
    assert not is_secure({}, 0)


@pytest.mark.parametrize("forwarded", ["https", " HTTPS ", "http, https", "http,http,https"])
def test_a_trusted_proxy_sends_the_scheme(forwarded: str) -> None:
    assert secure("http", forwarded, trusted=1)


@pytest.mark.parametrize("forwarded", ["http", "https, http", "wss", "https,"])
def test_a_trusted_proxy_sends_an_unencrypted_scheme(forwarded: str) -> None:
    assert not secure("https", forwarded, trusted=1)


def test_the_proxy_nearest_to_the_client_decides() -> None:
    assert secure("http", "http, https, http", trusted=2)
    assert secure("http", "https", trusted=2)
    assert not secure("http", "https, http, https", trusted=2)


def test_without_the_header_the_scheme_is_that_of_the_connection() -> None:
    assert secure("https", None, trusted=1)
    assert secure("https", "", trusted=1)
    assert not secure("http", None, trusted=1)
