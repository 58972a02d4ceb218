"""The client's address and scheme, with and without trusted proxies."""

import pytest

from api.http.client_address import client_address, is_secure


def address(peer: str, forwarded: str | None = None, trusted: int = 0) -> str:
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
    assert address("192.0.2.1", None, trusted=1) == "192.0.2.1"
    assert address("192.0.2.1", "", trusted=1) == "192.0.2.1"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (" 192.0.2.1 ", "192.0.2.1"),
        ("192.0.2.1:5000", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]:5000", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_forms_of_addresses(written: str, meant: str) -> None:
    assert address(written) == meant
    assert address("10.0.0.1", written, trusted=1) == meant


@pytest.mark.parametrize("odd", ["unknown", "_hidden", "1.2.3", "1.2.3.4.5", "::g"])
def test_an_invalid_entry_is_replaced_by_the_peer(odd: str) -> None:
    assert address("10.0.0.1", odd, trusted=1) == "10.0.0.1"


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
