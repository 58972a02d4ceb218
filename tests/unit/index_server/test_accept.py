"""The choice of a media type by the header ``Accept``."""

import pytest

from index_server.http.accept import preferred_type

OFFERED = ("a/x", "b/y")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("a/x", "a/x"),
        ("b/y", "b/y"),
        (" B/Y ;charset=utf-8", "b/y"),
        ("B/y; q=0.1", "b/y"),
        ("text/html, b/y", "b/y"),
        ("a/x, b/y", "a/x"),
        ("b/y, a/x", "a/x"),
        ("a/x;q=0.5, b/y;q=0.6", "b/y"),
        ("a/x;Q=0.5,b/y", "b/y"),
        ("*/*", "a/x"),
        ("b/*", "b/y"),
        ("*/*, b/y", "b/y"),
        ("*/*, b/y;q=0.5", "a/x"),
        ("*/*;q=0.5, b/*", "b/y"),
        ("a/x;q=0, */*", "b/y"),
        ("a/x;q=many", "a/x"),
        ("a/x;q=0", None),
        ("text/html", None),
        ("a", None),
        (",;", None),
        ("", None),
    ],
)
def test_the_preferred_type(accept: str, expected: str | None) -> None:
    assert preferred_type(accept, OFFERED) == expected
