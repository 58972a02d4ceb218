"""Parsing of requests: defaults, limits, invalid requests."""

from typing import Any

import pytest

from index_server.errors import BadRequestError
from index_server.http.formats import Format
from index_server.http.requests import (
    create_index_request,
    delete_index_request,
    document_id,
)
from index_server.http.searches import search_request

JSON = Format.JSON


def search(**given: Any) -> Any:
    """Parse a search in JSON."""
    return search_request({"query": [3, 1, 3], **given}, JSON)


def test_a_search_has_defaults() -> None:
    request = search()
    assert request.query.tolist() == [3, 1, 3]
    assert (request.timeout, request.limit, request.score_pct) == (0.5, 40, 10)


@pytest.mark.parametrize(("terms", "least"), [(0, 1), (1, 1), (20, 1), (21, 2), (120, 6)])
def test_the_default_minimum_score_is_a_20th_of_the_terms(terms: int, least: int) -> None:
    assert search(query=[7] * terms).min_score == least


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"timeout": 0}, "timeout", None),
        ({"timeout": 10_001}, "timeout", 10.0),
        ({"limit": 0}, "limit", 1),
        ({"limit": 101}, "limit", 100),
        ({"min_score": 0}, "min_score", 1),
        ({"min_score": 9}, "min_score", 9),
        ({"min_score": None}, "min_score", 1),
        ({"score_pct": 200}, "score_pct", 100),
    ],
)
def test_limits_of_a_search_are_clamped(given: Any, name: str, expected: object) -> None:
    assert getattr(search(**given), name) == expected


@pytest.mark.parametrize("hashes", [[-1], [2**32], [1.0], [True], ["1"], [None], "1", {}, None])
def test_hashes_are_numbers_of_32_bits(hashes: object) -> None:
    with pytest.raises(BadRequestError):
        search(query=hashes)


@pytest.mark.parametrize(
    "given", [{"limit": -1}, {"limit": 2**32}, {"timeout": 1.5}, {"limit": True}, {"timeout": None}]
)
def test_invalid_numbers_of_a_search_are_refused(given: Any) -> None:
    with pytest.raises(BadRequestError):
        search(**given)


def test_an_id_in_a_path_is_decimal() -> None:
    assert document_id("0042") == 42
    assert document_id(str(2**32 - 1)) == 2**32 - 1


@pytest.mark.parametrize("text", ["", "x", "-1", "+1", "1.0", "1_0", "٣", str(2**32), "9" * 5000])
def test_other_ids_are_refused(text: str) -> None:
    with pytest.raises(BadRequestError):
        document_id(text)


def test_create_and_delete_have_no_conditions_by_default() -> None:
    created = create_index_request({}, JSON)
    assert (created.expect_does_not_exist, created.generation) == (False, None)
    assert not delete_index_request({}, JSON).expect_exists


@pytest.mark.parametrize("given", [{"generation": -1}, {"expect_does_not_exist": 1}, {"name": "a"}])
def test_invalid_create_requests_are_refused(given: Any) -> None:
    with pytest.raises(BadRequestError):
        create_index_request(given, JSON)
