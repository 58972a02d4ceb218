"""``/v2/track/*``: the tracks of MusicBrainz recordings."""

import uuid

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from tests.support.catalogue.mbids import Links, MusicBrainz
from tests.support.clients.web_client import code_of, error_of
from tests.support.processes.servers import free_port

XML = "<?xml version='1.0' encoding='UTF-8'?>\n"
PATH = "/v2/track/list_by_mbid"
BARE = {"lengths": [], "sources": 1}


class Tracks:
    """A few tracks and their links."""

    def __init__(self, web) -> None:
        self.databases = web.front_end.databases
        self.engine = self.databases.engine("fingerprint")
        self.mbid, self.other = str(uuid.uuid4()), str(uuid.uuid4())
        self.first, self.second, self.third = (self.add() for _ in range(3))
        self.link(self.second, self.mbid)
        self.link(self.first, self.mbid)
        self.link(self.third, self.mbid, disabled=True)
        self.link(self.first, self.other, disabled=True)

    def add(self, new_id: int | None = None) -> tuple[int, str]:
        """Add a track; return its id and its public id."""
        gid = uuid.uuid4()
        statement = sa.insert(tables.track).values(gid=gid, new_id=new_id)
        with self.engine.begin() as connection:
            number = connection.execute(statement.returning(tables.track.c.id)).scalar_one()
        return int(number), str(gid)

    def fingerprint(self, track: tuple[int, str], length: int) -> None:
        """Add a fingerprint to a track; its length is in seconds."""
        Links(self.databases).fingerprint(track[0], length)

    def link(
        self, track: tuple[int, str], mbid: str, *, disabled: bool = False, sources: int = 1
    ) -> None:
        """Link a track to an MBID."""
        values = {"mbid": mbid, "disabled": disabled, "track_id": track[0]}
        values["submission_count"] = sources
        with self.engine.begin() as connection:
            connection.execute(sa.insert(tables.track_mbid).values(values))


@pytest.fixture
def tracks(web) -> Tracks:
    return Tracks(web)


def test_the_tracks_of_a_recording(web, tracks) -> None:
    result = web.get(PATH, mbid=tracks.mbid)
    assert result.status_code == 200
    assert result.text == (
        f'{{"status": "ok", "tracks": [{{"id": "{tracks.first[1]}", "lengths": [], "sources": 1}}, '
        f'{{"id": "{tracks.second[1]}", "lengths": [], "sources": 1}}]}}'
    )


def test_with_disabled_links(web, tracks) -> None:
    result = web.get(PATH, mbid=tracks.mbid, disabled=1)
    assert result.json["tracks"] == [
        {"id": tracks.first[1], **BARE},
        {"id": tracks.second[1], **BARE},
        {"id": tracks.third[1], "disabled": True, **BARE},
    ]
    assert len(web.get(PATH, mbid=tracks.mbid, disabled="x").json["tracks"]) == 2


def test_the_case_of_an_mbid_does_not_matter(web, tracks) -> None:
    upper = tracks.mbid.upper()
    assert len(web.get(PATH, mbid=upper).json["tracks"]) == 2
    found = web.get(PATH, mbid=[upper, tracks.mbid], batch=1).json["mbids"]
    assert [(each["mbid"], len(each["tracks"])) for each in found] == [(upper, 2), (tracks.mbid, 2)]


def test_without_batch_only_the_first_mbid_is_looked_up(web, tracks) -> None:
    result = web.get(PATH, mbid=[tracks.other, tracks.mbid])
    assert result.text == '{"status": "ok", "tracks": []}'


def test_a_batch(web, tracks) -> None:
    unknown = str(uuid.uuid4())
    asked = [tracks.other, unknown, tracks.mbid, tracks.other]
    result = web.post(PATH, mbid=asked, batch=1, disabled=1)
    rest = '"lengths": [], "sources": 1'
    assert result.text == (
        f'{{"mbids": [{{"mbid": "{tracks.other}", "tracks": [{{"disabled": true, '
        f'"id": "{tracks.first[1]}", {rest}}}]}}, {{"mbid": "{unknown}", "tracks": []}}, '
        f'{{"mbid": "{tracks.mbid}", "tracks": [{{"id": "{tracks.first[1]}", {rest}}}, '
        f'{{"id": "{tracks.second[1]}", {rest}}}, '
        f'{{"disabled": true, "id": "{tracks.third[1]}", {rest}}}]}}], "status": "ok"}}'
    )


def test_a_batch_in_xml(web, tracks) -> None:
    tracks.fingerprint(tracks.first, 241)
    result = web.get(PATH, mbid=tracks.other, batch=1, disabled=1, format="xml")
    assert result.text == (
        f"{XML}<response><mbids><mbid><mbid>{tracks.other}</mbid><tracks><track>"
        f"<disabled>True</disabled><id>{tracks.first[1]}</id><lengths><length>241</length>"
        "</lengths><sources>1</sources></track></tracks></mbid></mbids>"
        "<status>ok</status></response>"
    )


def test_a_batch_is_one_statement(web, tracks) -> None:
    engine = web.front_end.databases.engine("fingerprint", read_only=True)
    statements: list[str] = []

    def note(*args: object) -> None:
        statements.append(str(args[2]))

    sa.event.listen(engine, "before_cursor_execute", note)
    asked = [str(uuid.uuid4()) for _ in range(500)]
    found = web.post(PATH, mbid=[*asked, tracks.mbid], batch=1).json["mbids"]
    assert [each["mbid"] for each in found] == [*asked, tracks.mbid]
    assert len(found[-1]["tracks"]) == 2
    assert len(statements) == 1


def test_a_merged_track_is_not_redirected(web, tracks) -> None:
    old, mbid = tracks.add(new_id=tracks.first[0]), str(uuid.uuid4())
    tracks.link(old, mbid)
    assert web.get(PATH, mbid=mbid).json["tracks"] == [{"id": old[1], **BARE}]


def test_the_track_with_the_most_sources_is_first(web, tracks) -> None:
    mbid = str(uuid.uuid4())
    for track, sources in ((tracks.first, 1), (tracks.second, 7), (tracks.third, 1)):
        tracks.link(track, mbid, sources=sources)
    found = web.get(PATH, mbid=mbid).json["tracks"]
    assert [(each["id"], each["sources"]) for each in found] == [
        (tracks.second[1], 7),
        (tracks.first[1], 1),
        (tracks.third[1], 1),
    ]


def test_each_track_has_the_lengths_of_its_fingerprints(web, tracks) -> None:
    for length in (243, 241, 243):
        tracks.fingerprint(tracks.first, length)
    tracks.fingerprint(tracks.second, 180)
    found = web.get(PATH, mbid=tracks.mbid).json["tracks"]
    assert [each["lengths"] for each in found] == [[241, 243], [180]]


def test_a_recording_of_another_length_is_flagged(web, tracks) -> None:
    """One of unknown length is not."""
    for track, length in ((tracks.first, 241), (tracks.second, 180), (tracks.third, 300)):
        tracks.fingerprint(track, length)
    musicbrainz = MusicBrainz(web.front_end.databases)
    musicbrainz.add(uuid.UUID(tracks.mbid), length=240_000)
    musicbrainz.add(uuid.UUID(tracks.other))
    found = web.get(PATH, mbid=tracks.mbid, disabled=1).json["tracks"]
    flags = {each["id"]: each.get("duration_mismatch") for each in found}
    assert flags == {tracks.first[1]: None, tracks.second[1]: True, tracks.third[1]: True}
    assert "duration_mismatch" not in web.get(PATH, mbid=tracks.other, disabled=1).text


def test_without_musicbrainz_no_track_is_flagged(make_web) -> None:
    web = make_web(database_musicbrainz_ro={"port": free_port()})
    tracks = Tracks(web)
    tracks.fingerprint(tracks.first, 241)
    found = web.get(PATH, mbid=tracks.mbid).json["tracks"]
    assert found[0] == {"id": tracks.first[1], "lengths": [241], "sources": 1}


@pytest.mark.parametrize(
    ("mbids", "code", "text"),
    [
        ([], 2, 'missing required parameter "mbid"'),
        ([""], 2, 'missing required parameter "mbid"'),
        (["x"], 7, 'parameter "mbid" is not a valid UUID'),
        ([str(uuid.uuid4()), ""], 7, 'parameter "mbid" is not a valid UUID'),
        ([uuid.uuid4().hex], 7, 'parameter "mbid" is not a valid UUID'),
    ],
)
@pytest.mark.parametrize("batch", [0, 1])
def test_errors(web, mbids, code, text, batch) -> None:
    result = web.get(PATH, mbid=mbids, batch=batch)
    assert (result.status_code, code_of(result)) == (400, code)
    assert error_of(result)["message"].startswith(text)


def test_a_puid_has_no_tracks(web) -> None:
    path = "/v2/track/list_by_puid"
    result = web.get(path, puid=str(uuid.uuid4()).upper())
    assert (result.status_code, result.text) == (200, '{"status": "ok", "tracks": []}')
    xml = f"{XML}<response><status>ok</status><tracks /></response>"
    assert web.get(path, puid=str(uuid.uuid4()), format="xml").text == xml


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ({}, 2, 'missing required parameter "puid"'),
        ({"puid": ""}, 2, 'missing required parameter "puid"'),
        ({"puid": "x"}, 7, 'parameter "puid" is not a valid UUID'),
    ],
)
def test_a_missing_puid_is_an_error(web, query, code, text) -> None:
    result = web.get("/v2/track/list_by_puid", **query)
    assert (result.status_code, code_of(result)) == (400, code)
    assert error_of(result)["message"].startswith(text)


@pytest.mark.parametrize("name", ["mbid", "puid"])
def test_no_key_is_needed_but_the_address_is_limited(make_web, name) -> None:
    rates = {"global_limit": 0, "app_limit": 0, "ip_limit": 0.1}
    web = make_web(cluster={"rate_limiter": rates})
    path, query = f"/v2/track/list_by_{name}", {name: str(uuid.uuid4())}
    assert web.get(path).status_code == 400
    assert web.get(path, **query).status_code == 200
    assert code_of(web.get(path, **query)) == 14
