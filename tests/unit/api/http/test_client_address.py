"""The client's address and scheme are the peer's, unless proxies are trusted."""

import pytest

from api.http.client_address import client_address, is_secure


def address(peer: str, forwarded: str | None = None, trusted: int = 0) -> str:
    environ = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    return client_address(environ, trusted)


def test_without_trusted_proxies_only_the_peer_counts() -> None:
    assert address("192.0.2.1", "9.9.9.9") == "192.0.2.1"


def test_what_the_client_wrote_itself_does_not_count() -> None:
    assert address("10.0.0.1", "9.9.9.9, 192.0.2.1", trusted=1) == "192.0.2.1"
    assert address("10.0.0.1", "9.9.9.9, 192.0.2.1, 10.0.0.2", trusted=2) == "192.0.2.1"


def test_a_request_past_the_proxies_counts_for_its_peer() -> None:
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
def test_what_is_no_address_counts_for_the_peer(odd: str) -> None:
    assert address("10.0.0.1", odd, trusted=1) == "10.0.0.1"


def test_without_any_address_there_is_the_public_services_word() -> None:
    assert address("") == "0.0.0.0"  # noqa: S104 - nothing is bound
    assert client_address({}, 1) == "0.0.0.0"  # noqa: S104 - nothing is bound


def secure(scheme: str, forwarded: str | None = None, trusted: int = 0) -> bool:
    environ = {"wsgi.url_scheme": scheme}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_PROTO"] = forwarded
    return is_secure(environ, trusted)


def test_without_trusted_proxies_only_the_connection_itself_counts() -> None:
    assert secure("https")
    assert secure("https", "http")
    assert not secure("http")
    assert not secure("http", "https")
    assert not is_secure({}, 0)


@pytest.mark.parametrize("forwarded", ["https", " HTTPS ", "http, https", "http,http,https"])
def test_a_trusted_proxy_tells_the_scheme(forwarded: str) -> None:
    assert secure("http", forwarded, trusted=1)


@pytest.mark.parametrize("forwarded", ["http", "https, http", "wss", "https,"])
def test_a_trusted_proxy_tells_that_it_was_not_encrypted(forwarded: str) -> None:
    assert not secure("https", forwarded, trusted=1)


def test_of_several_proxies_the_one_nearest_to_the_client_counts() -> None:
    assert secure("http", "http, https, http", trusted=2)
    assert secure("http", "https", trusted=2)
    assert not secure("http", "https, http, https", trusted=2)


def test_proxies_that_do_not_tell_leave_it_to_the_connection() -> None:
    assert secure("https", None, trusted=1)
    assert secure("https", "", trusted=1)
    assert not secure("http", None, trusted=1)
