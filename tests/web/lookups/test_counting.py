"""The front end counts lookups by hit or miss, and requests by user agent and address."""

from tests.support.clients.web_client import FORM, GID, MBID, WORD

ASKED = {"fingerprint": WORD, "duration": 241}


def counted(web, key: str) -> dict[str, int]:
    """Return the counters of today without their date and hour."""
    assert web.front_end.counters.flush()
    return {
        field.decode().partition(":")[2]: int(value)
        for field, value in web.redis.hgetall(key).items()
    }


def lookups(web) -> dict[str, int]:
    """Return the application's hits and misses of all hours."""
    found = {field.split(":", 1)[1]: count for field, count in counted(web, "lookups").items()}
    assert all(field.startswith(f"{web.application_id}:") for field in found)
    return {field.partition(":")[2]: count for field, count in found.items()}


def test_a_lookup_counts_as_a_hit_or_a_miss(web) -> None:
    web.lookup(**ASKED)
    web.lookup(trackid=GID)
    web.worker.answer = lambda _: {"results": []}
    web.lookup(**ASKED)
    assert lookups(web) == {"hit": 2, "miss": 1}


def test_one_lookup_of_a_request_counts_and_each_of_a_batch(web) -> None:
    two = {"fingerprint.0": WORD, "duration.0": 1, "fingerprint.1": WORD, "duration.1": 2}
    web.worker.answer = lambda lookup: {"results": [] if lookup.duration == 2 else [{"id": GID}]}
    web.lookup(**two)
    assert lookups(web) == {"hit": 1}
    web.lookup(batch=1, **two, **{"trackid.2": MBID, "fingerprint.3": "!", "duration.3": 1})
    assert lookups(web) == {"hit": 3, "miss": 1}


def test_refused_requests_are_not_counted(web) -> None:
    assert web.lookup(fingerprint="!", duration=1).status_code == 400
    assert web.post("/v2/lookup", client="nobody", **ASKED).status_code == 401
    assert lookups(web) == {}
    web.worker.answer = lambda _: {"error": "no fingerprint"}
    assert web.lookup(**ASKED).status_code == 400
    assert lookups(web) == {}


def test_requests_are_counted_by_user_agent_and_address(web) -> None:
    def send(agent: str | None, address: str) -> None:
        web.http.simulate_post(
            "/v2/lookup",
            body=f"client={web.application}&fingerprint={WORD}&duration=3",
            content_type=FORM,
            headers={"User-Agent": agent} if agent is not None else {},
            remote_addr=address,
        )

    send("pyacoustid/1.3 (x: y)", "192.0.2.1")
    send("pyacoustid/1.3 (x: y)", "192.0.2.1")
    send("Glåss".encode().decode("latin-1"), "2001:db8::1")
    send("", "192.0.2.1")
    app = web.application_id
    assert counted(web, "ua") == {
        f"{app}:pyacoustid/1.3%20%28x%3A%20y%29:192.0.2.1": 2,
        f"{app}:Gl%C3%A5ss:2001%3Adb8%3A%3A1": 1,
        f"{app}::192.0.2.1": 1,
    }


def test_a_background_lookup_is_counted_by_the_worker(make_web) -> None:
    web = make_web(features={"async_api": True})
    assert web.lookup(**ASKED, **{"async": 1}).status_code == 200
    assert lookups(web) == {}
    assert sum(counted(web, "ua").values()) == 1


def test_closing_sends_the_counts(make_web) -> None:
    web = make_web()
    web.lookup(**ASKED)
    web.close()
    assert list(web.redis.hgetall("lookups").values()) == [b"1"]
