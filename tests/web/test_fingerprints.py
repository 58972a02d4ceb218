"""``/v2/fingerprint``: the words of a stored fingerprint."""

import uuid

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from tests.support.catalogue.synthetic import fingerprint
from tests.support.clients.web_client import code_of, error_of

XML = "<?xml version='1.0' encoding='UTF-8'?>\n"


def store(web, words, length: int = 241) -> int:
    """Add a fingerprint with a track of its own; return its id."""
    with web.front_end.databases.engine("fingerprint").begin() as connection:
        track = connection.scalar(
            sa.insert(tables.track).values(gid=uuid.uuid4()).returning(tables.track.c.id)
        )
        values = {
            "words": np.asarray(words, dtype="<u4").tobytes(),
            "gid": uuid.uuid4(),
            "simhash": 0,
            "length": length,
            "track_id": track,
            "submission_count": 1,
        }
        statement = sa.insert(tables.fingerprint).values(values)
        return int(connection.execute(statement.returning(tables.fingerprint.c.id)).scalar_one())


def test_the_words_are_signed_numbers(web) -> None:
    number = store(web, [1084076293, 0x80000000, 0xFFFFFFFF, 0])
    result = web.get("/v2/fingerprint", id=number)
    assert result.status_code == 200
    assert result.text == (
        f'{{"fingerprint": {{"duration": 241, "hashes": [1084076293, -2147483648, -1, 0], '
        f'"id": {number}}}, "status": "ok"}}'
    )


def test_xml_names_a_word_hashe(web) -> None:
    number = store(web, [1, 0xFFFFFFFE], length=3)
    assert web.post("/v2/fingerprint", id=number, format="xml").text == (
        f"{XML}<response><fingerprint><duration>3</duration>"
        f"<hashes><hashe>1</hashe><hashe>-2</hashe></hashes><id>{number}</id></fingerprint>"
        "<status>ok</status></response>"
    )


def test_a_whole_fingerprint_is_returned(web) -> None:
    words = fingerprint(7)
    number = store(web, words, length=32767)
    shown = web.get("/v2/fingerprint", id=f" +{number} ").json["fingerprint"]
    assert np.array_equal(np.array(shown["hashes"], dtype=np.int32).view(np.uint32), words)
    assert shown["duration"] == 32767


@pytest.mark.parametrize("query", [{}, {"id": ""}, {"id": "0"}, {"id": "x"}, {"id": "1.5"}])
def test_a_missing_id_is_an_error(web, query) -> None:
    result = web.get("/v2/fingerprint", **query)
    assert (result.status_code, code_of(result)) == (400, 2)
    assert error_of(result)["message"].startswith('missing required parameter "id"')


@pytest.mark.parametrize("number", ["2147483647", "2147483648", "-1", "9" * 90])
def test_an_unknown_fingerprint_is_not_found(web, number) -> None:
    result = web.get("/v2/fingerprint", id=number)
    assert result.status_code == 404
    assert error_of(result) == {"code": 18, "message": "fingerprint not found"}


def test_no_key_is_needed_but_the_address_is_limited(make_web) -> None:
    rates = {"global_limit": 0, "app_limit": 0, "ip_limit": 0.1}
    web = make_web(cluster={"rate_limiter": rates})
    number = store(web, [1])
    assert web.get("/v2/fingerprint").status_code == 400
    assert web.get("/v2/fingerprint", id=number).status_code == 200
    assert code_of(web.get("/v2/fingerprint", id=number)) == 14
