"""Values in packets of the first dbmirror."""

import json

import pytest

from pipeline.catalog.musicbrainz.replication.packed_values import (
    decode_copied,
    encode_copied,
    packed_to_json,
    unpack_values,
)

TEXTS = ["", "a'b", "''", "\\", "\\'", "\t\n\r", "\\t", "é🎵", '"x"=', " ", "a= "]


def test_values_and_nulls() -> None:
    """As `unpack_data` of MusicBrainz reads them: a quote is doubled or escaped."""
    packed = r""""id"='12' "name"='It''s \'x\' \\n' "length"= "comment"='' """
    expected = {"id": "12", "name": r"It's 'x' \n", "length": None, "comment": ""}
    assert unpack_values(packed) == expected
    assert unpack_values("") == {}


@pytest.mark.parametrize(
    "packed", ["\"id\"='12'", '"id"=\'12 ', "id='12' ", '"id" ', "\"id\"='1' x", "\"id\"='\\' "]
)
def test_another_form_is_an_error(packed: str) -> None:
    with pytest.raises(ValueError, match="unknown form"):
        unpack_values(packed)


@pytest.mark.parametrize("text", TEXTS)
def test_copied_texts_are_decoded(text: str) -> None:
    encoded = encode_copied(text)
    assert not set(encoded) & set("\t\n\r")
    assert decode_copied(encoded) == text


@pytest.mark.parametrize("text", TEXTS)
def test_values_become_json(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    copied = encode_copied(f"\"name\"='{escaped}' ")
    assert json.loads(decode_copied(packed_to_json(copied))) == {"name": text}
