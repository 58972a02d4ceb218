"""``/v2/edit/*``: corrections by admins, and lookups before and after them."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from falcon import testing

from pipeline.catalog.app import tables as app_tables
from pipeline.catalog.edits.edit_log import newest_edits
from pipeline.catalog.fingerprint import tables
from pipeline.fingerprint.codec import encode
from pipeline.fingerprint_store import open_store, open_store_writer
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import update_index
from pipeline.index import open_reader, open_writer
from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.describe import describe_lookups
from pipeline.lookups.score import score_lookups
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import LookupBatch
from pipeline.runtime.databases import Databases
from tasks.redis_state import lookup_replies
from tests.support.catalogue.imports import MBID, Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.clients.web_client import Web, code_of, error_of

OTHER = UUID("5d1f0c5e-3333-4aaa-8aaa-000000000001")
TEXT = {"track": "Harbour", "artist": "Pier"}
PATHS = {
    "unlink_mbid": {"trackid": str(uuid4()), "mbid": str(MBID)},
    "link_mbid": {"trackid": str(uuid4()), "mbid": str(MBID)},
    "remove_fingerprint": {"fingerprint_id": 99},
    "remove_text": {"trackid": str(uuid4()), "text_id": 99},
    "split_track": {"trackid": str(uuid4()), "fingerprint_id": [98, 99]},
    "undo": {"edit_id": 99},
}


class Service:
    """A front end with cached answers, an index, a store, and one track of two fingerprints.

    The stages of lookups run in a thread instead of a worker. Fingerprint 1 has the MBID and a
    text, fingerprint 2 has another MBID.
    """

    def __init__(self, web: Web, importer: Importer, store: TrustedStore, place: Path) -> None:
        self.web, self.importer, self.store, self.place = web, importer, store, place
        self.words = [near_copy(fingerprint(1), seed, 0.05) for seed in (1, 2)]
        receipts = (
            importer.receipt(self.words[0], meta=TEXT),
            importer.receipt(self.words[1], mbid=OTHER),
        )
        gids = {importer.run(each)[0].track_gid for each in receipts}
        assert len(gids) == 1
        self.gid = str(gids.pop())
        self.index = open_reader(importer.index_path)
        web.make_admin()
        web.send_lookups = lambda batch: threading.Thread(target=self.work, args=(batch,)).start()
        self.follow()

    def follow(self) -> None:
        """Apply the changelog to the index and the store."""
        with open_writer(self.importer.index_path) as writer, open_store_writer(self.place) as kept:
            update_index(writer, self.importer.databases, followers=[StoreCopy(kept)])

    def work(self, batch: LookupBatch) -> None:
        """Run the stages of a batch and send the reply."""
        databases = self.importer.databases
        batch = dedupe_lookups(validate_lookups(batch))
        described = describe_lookups(
            score_lookups(batch, self.index, databases, self.store), databases
        )
        lookup_replies.push(self.web.redis, batch.reply_to, described.reply)

    def edit(self, path: str, **form: Any) -> testing.Result:
        """Send an edit with both keys and a note."""
        keys = {"client": self.web.application, "user": self.web.user, "note": "wrong"}
        return self.web.post(f"/v2/edit/{path}", **{**keys, **form})

    def done(self, path: str, **form: Any) -> dict[str, Any]:
        """Send an edit, which must succeed; return the reply."""
        result = self.edit(path, **form)
        assert result.status_code == 200, result.text
        reply: dict[str, Any] = result.json
        return reply

    def found(self, which: int) -> list[tuple[str, list[str]]]:
        """Look up a fingerprint; return the tracks with their MBIDs."""
        asked = {"fingerprint": encode(self.words[which]), "duration": 200, "meta": "recordingids"}
        results = self.web.lookup(**asked).json["results"]
        return [
            (each["id"], sorted(one["id"] for one in each.get("recordings", ())))
            for each in results
        ]

    def texts(self) -> list[str]:
        """Return the titles of the submitted texts in a lookup by track id."""
        asked = {"trackid": self.gid, "meta": "recordings usermeta"}
        [result] = self.web.lookup(**asked).json["results"]
        return [each["title"] for each in result.get("recordings", ()) if "title" in each]


@pytest.fixture
def service(
    make_web: Callable[..., Web], databases: Databases, index_path: Path, tmp_path: Path
) -> Iterator[Service]:
    web = make_web(api={"answer_cache": True})
    store = TrustedStore(open_store(tmp_path / "store"), databases)
    yield Service(web, Importer(databases, index_path), store, tmp_path / "store")
    store.close()


def test_lookups_before_and_after_edits_of_links_and_texts(service: Service) -> None:
    both = sorted([str(MBID), str(OTHER)])
    assert service.found(0) == [(service.gid, both)]
    first = service.done("unlink_mbid", trackid=service.gid, mbid=MBID)
    assert first == {"status": "ok", "edit_id": 1}
    assert service.found(0) == [(service.gid, [str(OTHER)])]
    assert service.done("undo", edit_id=1) == {"status": "ok", "edit_id": 2}
    assert service.found(0) == [(service.gid, both)]
    new = str(uuid4())
    service.done("link_mbid", trackid=service.gid.upper(), mbid=new.upper())
    assert service.found(0) == [(service.gid, sorted([*both, new]))]
    assert service.texts() == ["Harbour"]
    service.done("remove_text", trackid=service.gid, text_id=1)
    assert service.texts() == []
    service.done("undo", edit_id=4)
    assert service.texts() == ["Harbour"]


def test_lookups_before_and_after_edits_of_fingerprints(service: Service) -> None:
    split = service.done("split_track", trackid=service.gid, fingerprint_id=[2])
    new = split["new_track"]["id"]
    for _ in range(2):  # before and after the index has followed
        assert service.found(0)[0] == (service.gid, [str(MBID)])
        assert service.found(1)[0] == (new, [str(OTHER)])
        service.follow()
    service.done("undo", edit_id=split["edit_id"])
    for _ in range(2):
        assert [track for track, _ in service.found(1)] == [service.gid]
        service.follow()
    gone = [service.done("remove_fingerprint", fingerprint_id=one)["edit_id"] for one in (1, 2)]
    for _ in range(2):
        assert service.found(0) == service.found(1) == []
        service.follow()
    service.done("undo", edit_id=gone[1])
    for _ in range(2):
        service.follow()
        assert [track for track, _ in service.found(1)] == [service.gid]


def test_the_log_names_account_note_and_track(service: Service) -> None:
    service.done("unlink_mbid", trackid=service.gid, mbid=MBID, note=" Not this\0one ")
    with service.importer.databases.engine("fingerprint").connect() as connection:
        [edit] = newest_edits(connection, 10)
    account = service.web.front_end.access.keys.accounts.find(service.web.user)
    assert account is not None
    assert (edit.kind, edit.account_id, edit.note) == ("unlink_mbid", account.id, "Not this one")
    assert list(edit.track_ids) == [1]


def test_formats(service: Service) -> None:
    form = {"trackid": service.gid, "fingerprint_id": 2}
    xml = service.edit("split_track", **form, format="xml").text
    assert "<edit_id>1</edit_id>" in xml
    assert "<new_track><id>" in xml
    text = service.edit("undo", edit_id=1, format="jsonp", jsoncallback="f").text
    assert text == 'f({"edit_id": 2, "status": "ok"})'
    refused = service.edit("undo", edit_id=1, format="xml")
    assert (refused.status_code, "<code>104</code>" in refused.text) == (409, True)


def test_an_undo_that_is_not_possible_names_the_changes(service: Service) -> None:
    service.done("unlink_mbid", trackid=service.gid, mbid=MBID)
    service.done("link_mbid", trackid=service.gid, mbid=MBID)
    refused = service.edit("undo", edit_id=1)
    assert (refused.status_code, code_of(refused)) == (409, 104)
    message = error_of(refused)["message"]
    assert message.startswith("conflict: edit 1 can't be undone")
    assert f"MBID {MBID}: disabled is False and was True" in message
    assert "later edits of these rows: 2" in message


def test_errors(service: Service) -> None:
    """Each path with unknown objects, without each parameter, with values that are not valid."""
    gid, web = service.gid, service.web
    for path, form in PATHS.items():
        unknown = service.edit(path, **form)
        code = 18 if path == "remove_fingerprint" else 100
        assert (unknown.status_code, code_of(unknown)) == (404, code), path
        for name in ("note", *form):
            missing = service.edit(path, **{**form, name: ""})
            assert (missing.status_code, code_of(missing)) == (400, 2), (path, name)
            assert f'"{name}"' in error_of(missing)["message"]
        for name, code in (("client", 4), ("user", 6)):
            wrong = service.edit(path, **{**form, name: "x"})
            assert (wrong.status_code, code_of(wrong)) == (401, code)
            assert code_of(service.edit(path, **{**form, name: ""})) == 2
    assert code_of(service.edit("unlink_mbid", trackid="x", mbid=MBID)) == 7
    assert code_of(service.edit("unlink_mbid", trackid=gid, mbid=MBID.hex)) == 7
    assert code_of(service.edit("link_mbid", trackid=gid, mbid=UUID(int=0))) == 2
    assert code_of(service.edit("undo", edit_id=2**40)) == 100
    assert code_of(service.edit("undo", edit_id=1, note="n" * 2001)) == 103
    assert code_of(service.edit("split_track", trackid=gid, fingerprint_id=["2", "x"])) == 2
    assert code_of(service.edit("remove_fingerprint", fingerprint_id=["1", "2"])) == 103
    assert code_of(service.edit("remove_fingerprint", fingerprint_id="1_0")) == 2
    for number in (2**40, -1, 0):
        for path, code in (("remove_fingerprint", 18), ("split_track", 18), ("undo", 100)):
            unknown = service.edit(path, trackid=gid, fingerprint_id=number, edit_id=number)
            assert code_of(unknown) == code
            assert error_of(unknown)["message"].endswith(f" {number}")
    assert code_of(service.edit("split_track", trackid=gid, fingerprint_id=[1, 2])) == 104
    assert code_of(service.edit("link_mbid", trackid=gid, mbid=MBID)) == 104
    for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS"):
        for path in PATHS:
            refused = web.http.simulate_request(method, f"/v2/edit/{path}")
            assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
    assert error_of(web.get("/v2/edit/undo"))["message"] == "method not allowed: use POST"
    xml = web.get("/v2/edit/undo", format="xml")
    assert (xml.status_code, "<code>101</code>" in xml.text) == (405, True)


def test_only_admins_may_edit_and_a_change_counts_at_once(service: Service) -> None:
    for admin, status in ((False, 400), (True, 200)):
        with service.importer.databases.engine("app").begin() as connection:
            connection.execute(sa.update(app_tables.account).values(is_admin=admin))
        result = service.edit("unlink_mbid", trackid=service.gid, mbid=MBID)
        assert result.status_code == status
        if not admin:
            assert code_of(result) == 12
    links = service.importer.rows(tables.track_mbid)
    assert [row.disabled for row in links if row.mbid == MBID] == [True]


def test_a_replica_refuses_edits(make_web: Callable[..., Web], databases: Databases) -> None:
    del databases
    web = make_web(cluster={"role": "replica"})
    web.make_admin()
    form = {"client": web.application, "user": web.user, "note": "n", "edit_id": 1}
    refused = web.post("/v2/edit/undo", **form)
    assert (refused.status_code, code_of(refused)) == (400, 12)
    assert "replica" in error_of(refused)["message"]


def test_edits_are_limited(make_web: Callable[..., Web], databases: Databases) -> None:
    del databases
    rates = {"global_limit": 0, "app_limit": 0.1, "ip_limit": 0.1}
    web = make_web(cluster={"rate_limiter": rates})
    web.make_admin()
    form = {"client": web.application, "user": web.user, "note": "n", "edit_id": 1}
    codes = [code_of(web.post("/v2/edit/undo", **form)) for _ in range(3)]
    assert codes[0] == 100
    assert codes[-1] == 14
