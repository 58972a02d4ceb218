"""Wrong messages become dead letters, and do not stop the others."""

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise

import pytest
import sqlalchemy as sa

from api.http.bodies import MAX_BODY
from nats_bridge import headers
from nats_bridge.ingest.ingest_loop import FAILED
from pipeline.catalog.app.tables import account
from tests.integration.nats_bridge.ingest.site import Link, Site, item
from tests.support.polling import eventually

NONE: dict[str, str | None] = {"Acoustid_Client": None}


def test_each_wrong_message_is_a_dead_letter_with_its_reason(site: Site) -> None:
    wrong: list[tuple[object, dict[str, str | None], int, str]] = [
        (b"\xff not JSON", {}, 102, "the message must be JSON"),
        (b"[" * 100_000, {}, 102, "the message must be JSON"),
        ([], {}, 102, "the list has no submissions"),
        ([item()] * 101, {}, 19, "at most 100 submissions"),
        (b'"' + b"a" * (MAX_BODY - 300) + b'"', {}, 102, "a submission must be a JSON object"),
        (item(0), {}, 8, '"duration"'),
        (item(track=True), {}, 103, '"track"'),
        (item(track=None), {}, 2, "give an MBID"),
        (item(), NONE, 2, "the header Acoustid-Client"),
        (item(), {"Acoustid_User": ""}, 2, "the header Acoustid-User"),
        (item(), {"Acoustid_Client": "unknown"}, 4, "invalid API key"),
        (item(), {"Acoustid_User": "unknown"}, 6, "invalid user API key"),
        (item(), {"Acoustid_User": "NUL \0 in a key"}, 6, "invalid user API key"),
    ]

    async def scenario(link: Link) -> None:
        for number, (body, keys, _, _) in enumerate(wrong):
            await link.publish(item(1 + number))
            await link.publish(body, **keys)
        await link.drain()
        await link.wait_for_left(0)
        letters = await link.dead_letters()
        assert len(letters) == len(wrong)
        by_sequence = sorted(letters, key=lambda each: int(_id(each).split(":")[1]))
        for letter, (body, _, code, reason) in zip(by_sequence, wrong, strict=True):
            assert letter.headers is not None
            assert letter.headers[headers.CODE] == str(code)
            assert reason in letter.headers[headers.REASON]
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            assert letter.data == sent[: len(letter.data)]
            assert len(letter.data) == len(sent) or headers.CUT in letter.headers

    site.run(scenario)
    assert site.lengths() == list(range(1, len(wrong) + 1))
    numbers = site.counts.numbers()
    assert (numbers.refused, numbers.accepted) == (len(wrong), len(wrong))


def _id(letter: object) -> str:
    return str(letter.headers[headers.MESSAGE_ID])  # type: ignore[attr-defined]


def test_wrong_items_of_a_list_are_dead_letters_of_their_own(site: Site) -> None:
    wrong = {"fingerprint": "x", "duration": 2.50, "track": "\ud800", "more": [1, {"a": None}]}

    async def scenario(link: Link) -> None:
        await link.publish([item(1), wrong, item(2), 17], "load:1", Other="kept")
        await link.drain()
        first, second = await link.dead_letters()
        assert json.loads(first.data) == wrong
        assert second.data == b"17"
        for letter, place in ((first, "1"), (second, "3")):
            assert letter.headers is not None
            assert letter.headers[headers.ITEM] == place
            assert letter.headers[headers.ORIGINAL_ID] == "load:1"
            assert letter.headers["Other"] == "kept"
            assert letter.headers[headers.USER] == site.user
            assert _id(letter).endswith(f":{place}")

    site.run(scenario)
    assert site.lengths() == [1, 2]


def test_headers_that_control_a_stream_are_not_in_a_dead_letter(site: Site) -> None:
    async def scenario(link: Link) -> None:
        await link.publish(b"{}", Nats_Expected_Stream=site.streams.stream)
        await link.drain()
        [letter] = await link.dead_letters()
        assert letter.headers is not None
        assert "Nats-Expected-Stream" not in letter.headers

    site.run(scenario)


def test_texts_that_the_database_refuses_are_stored_like_those_of_http(site: Site) -> None:
    async def scenario(link: Link) -> None:
        await link.publish(item(1, track="a\0b\ud800c", fileformat="\udfff\0", foreignid="a:\0"))
        await link.drain()

    site.run(scenario)
    [row] = site.rows()
    assert (row.meta, row.format, row.foreignid) == ({"track": "a b\ufffdc"}, "\ufffd ", "a: ")


@pytest.fixture
def strict_database(site: Site) -> Iterator[None]:
    """Let the database refuse submissions of 666 s, and raise an unknown error for 667 s."""
    refuse = """
        ALTER TABLE submission ADD CONSTRAINT poison CHECK (length <> 666);
        CREATE FUNCTION strange() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE 'strange' USING ERRCODE = 'XX001'; END $$;
        CREATE TRIGGER strange BEFORE INSERT ON submission FOR EACH ROW
        WHEN (NEW.length = 667) EXECUTE FUNCTION strange()
    """
    with site.databases.engine("ingest").begin() as connection:
        connection.execute(sa.text(refuse))
    yield
    _forget(site)  # a failed test leaves them


def _forget(site: Site) -> None:
    undo = """
        ALTER TABLE submission DROP CONSTRAINT IF EXISTS poison;
        DROP FUNCTION IF EXISTS strange CASCADE
    """
    with site.databases.engine("ingest").begin() as connection:
        connection.execute(sa.text(undo))


@pytest.mark.usefixtures("strict_database")
def test_a_message_that_the_database_refuses_is_refused_alone(site: Site) -> None:
    async def scenario(link: Link) -> None:
        for seconds in (1, 2, 666, 3, 667, 4):
            await link.publish(item(seconds))
        stop = asyncio.Event()
        running = asyncio.create_task(link.loop().run(stop))
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 4)
        await asyncio.to_thread(eventually, lambda: site.counts.numbers().retried)
        await asyncio.to_thread(eventually, lambda: site.counts.numbers().problem == FAILED)
        # The database may be the cause of one: it is delivered again. The server removes a message
        # after it has got the acknowledgement.
        await link.wait_for_left(1)
        [letter] = await link.dead_letters()
        assert letter.headers is not None
        assert letter.headers[headers.CODE] == "5"
        assert letter.headers[headers.REASON] == "internal error"
        assert json.loads(letter.data)["duration"] == 666
        _forget(site)
        await asyncio.to_thread(eventually, lambda: len(site.rows()) == 5)
        stop.set()
        await running

    site.run(scenario)
    assert site.lengths() == [1, 2, 3, 4, 667]
    assert all(before < after for before, after in pairwise(row.id for row in site.rows()))


def test_a_stored_message_is_not_refused_when_its_key_is_gone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(link: Link) -> None:
        await link.publish(item(1))
        with monkeypatch.context() as lost:
            lost.setattr("nats.aio.msg.Msg.ack", lambda _: asyncio.sleep(0))
            stop = asyncio.Event()
            running = asyncio.create_task(link.loop().run(stop))
            await asyncio.to_thread(eventually, lambda: len(site.rows()) == 1)
            stop.set()
            await running
        with site.databases.engine("app").begin() as connection:
            connection.execute(sa.update(account).values(apikey=account.c.apikey + "x"))
        site.script.redis.flushdb()
        await link.drain()
        await link.wait_for_left(0)
        assert await link.dead_letters() == []

    site.run(scenario)


def test_without_a_stream_for_dead_letters_only_wrong_messages_wait(site: Site) -> None:
    async def scenario(link: Link) -> None:
        rejected = f"{site.streams.stream}_rejected"
        config = (await link.jetstream.stream_info(rejected)).config
        await link.delete(rejected)
        await link.publish(b"{}")
        await link.publish(item(1))
        stop = asyncio.Event()
        running = asyncio.create_task(link.loop().run(stop))
        await asyncio.to_thread(eventually, lambda: site.lengths() == [1])
        await link.wait_for_left(1)
        await link.jetstream.add_stream(config)
        await asyncio.to_thread(eventually, lambda: site.counts.numbers().refused == 1)
        stop.set()
        await running
        await link.wait_for_left(0)

    site.run(scenario)
