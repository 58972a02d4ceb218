"""The load: threads that send lookups, submissions and status requests, and judge the replies."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import numpy as np

from pipeline.fingerprint.codec import encode
from tests.faults.torture import records
from tests.faults.torture.model import Model, Recording
from tests.faults.torture.records import Record, Records

TIMEOUT: Final = 60.0
FINDABLE_AFTER: Final = 12.0
"""Seconds after which an import must be found: `[cluster] max_lag` and the age of its status."""

STATUS_SHARE: Final = 20
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
UNCERTAIN: Final = "may have been received"
"""A part of the 503 reply to a submission whose commit was interrupted."""


@dataclass(frozen=True)
class Target:
    """The service under load.

    Attributes:
        url: the address of the API.
        client: the key of an application.
        user: the key of a user.
        background: whether it has background lookups.
    """

    url: str
    client: str
    user: str
    background: bool = True


@dataclass(frozen=True)
class Reply:
    """A reply, or the lack of one."""

    status: int
    body: dict[str, Any]
    problem: str = ""


class Load:
    """Threads that use a service.

    Args:
        target: the service.
        model: receives submissions and their states.
        seed: of the random choices.
        pause: mean seconds between two requests of a thread.
    """

    def __init__(self, target: Target, model: Model, seed: int, pause: float = 0.08) -> None:
        self.target = target
        self.model = model
        self.records = Records()
        self._seed = seed
        self._pause = pause
        self._stopped = threading.Event()

    @contextmanager
    def running(self, lookups: int = 3, submitters: int = 2) -> Iterator[None]:
        """Run the threads during a block."""
        steps = [self.lookup] * lookups + [self.submit] * submitters
        steps += [self.statuses, self.unknown]
        if self.target.background:
            steps.append(self.background)
        threads = [
            threading.Thread(target=self._repeat, args=(step, number), daemon=True)
            for number, step in enumerate(steps)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join(TIMEOUT)

    def _repeat(self, step: Callable[[np.random.Generator], None], number: int) -> None:
        random = np.random.default_rng((self._seed, number))
        while not self._stopped.is_set():
            step(random)
            self._stopped.wait(float(random.exponential(self._pause)))

    def lookup(self, random: np.random.Generator) -> None:
        """Look up a degraded copy of a recording that must be found."""
        known = self.model.findable(FINDABLE_AFTER)
        if not known:
            self._stopped.wait(0.1)
            return
        # Half of the lookups ask for one of the newest recordings.
        newest = random.random() < 0.5
        recording = (
            known[-1 - int(random.integers(min(20, len(known))))]
            if newest
            else known[int(random.integers(len(known)))]
        )
        self.look_up(recording, int(random.integers(1000)))

    def look_up(self, recording: Recording, copy: int) -> Record:
        """Look up a degraded copy of a recording; return the request."""
        fingerprint = encode(self.model.query(recording.number, copy))
        form = {"meta": "recordingids", **self._query(fingerprint, recording.number)}

        def judge(body: dict[str, Any]) -> tuple[str, str]:
            return judged(body, recording.track, self.model.mbids(recording.number))

        return self._request("lookup", "/v2/lookup", form, judge)[1]

    def unknown(self, random: np.random.Generator) -> None:
        """Look up a fingerprint that nobody submitted."""
        number = int(random.integers(100_000))
        form = self._query(encode(self.model.unknown(number)), number)

        def judge(body: dict[str, Any]) -> tuple[str, str]:
            found = body["results"]
            return (records.WRONG, f"found {found[:1]}") if found else (records.RIGHT, "")

        self._request("unknown lookup", "/v2/lookup", form, judge)

    def background(self, random: np.random.Generator) -> None:
        """Start a background lookup and read its result."""
        known = self.model.findable(FINDABLE_AFTER)
        if not known:
            return
        recording = known[int(random.integers(len(known)))]
        form = self._query(encode(self.model.query(recording.number, 1)), recording.number)
        reply, _ = self._request(
            "background lookup", "/v2/lookup", {**form, "async": "1"}, _any_body
        )
        task = reply.body.get("task", {}).get("id")
        waited_until = time.monotonic() + TIMEOUT
        while task and time.monotonic() < waited_until and not self._stopped.is_set():
            state = self.call(f"/v2/task/{task}", {}).body.get("task", {})
            if state.get("state") == "finished":
                outcome, detail = judged(state["result"], recording.track, None)
                self.records.add(
                    Record("background result", time.monotonic(), 0.0, outcome, detail)
                )
                return
            self._stopped.wait(0.5)

    def submit(self, random: np.random.Generator) -> None:
        """Submit one to three fingerprints in a request."""
        sent = [self.model.create(random) for _ in range(int(random.integers(1, 4)))]
        form = {"client": self.target.client, "user": self.target.user}
        for suffix, each in enumerate(sent):
            form |= each.form(suffix)

        def judge(body: dict[str, Any]) -> tuple[str, str]:
            ids = {int(each["id"]): int(each["index"]) for each in body["submissions"]}
            self.model.accept({key: sent[index].serial for key, index in ids.items()})
            if sorted(ids.values()) == list(range(len(sent))):
                return records.RIGHT, ""
            return records.WRONG, f"{len(ids)} of {len(sent)} submissions in the reply"

        reply, _ = self._request("submit", "/v2/submit", form, judge)
        if reply.status == 503 and UNCERTAIN not in json.dumps(reply.body):
            self.model.refuse([each.serial for each in sent])

    def statuses(self, _random: np.random.Generator) -> None:
        """Ask for the states of submissions without a known final state."""
        asked = self.model.open_ids()[: 5 * STATUS_SHARE]
        for first in range(0, len(asked), STATUS_SHARE):
            self.read_statuses(asked[first : first + STATUS_SHARE])
        if not asked:
            self._stopped.wait(0.1)

    def read_statuses(self, ids: list[int]) -> None:
        """Ask for the states of some submissions, and note those that are final."""
        form = {"client": self.target.client, "id": [str(each) for each in ids]}

        def judge(body: dict[str, Any]) -> tuple[str, str]:
            for each in body["submissions"]:
                if each["status"] != "pending":
                    track = each.get("result", {}).get("id")
                    self.model.finish(int(each["id"]), each["status"], track)
            return records.RIGHT, ""

        self._request("status", "/v2/submission_status", form, judge)

    def wait_for_final(self, seconds: float) -> None:
        """Ask for states until all are final, or a time has passed; for use without threads."""
        deadline = time.monotonic() + seconds
        while (left := self.model.open_ids()) and time.monotonic() < deadline:
            for first in range(0, len(left), STATUS_SHARE):
                self.read_statuses(left[first : first + STATUS_SHARE])
            time.sleep(0.2)

    def _query(self, fingerprint: str, number: int) -> dict[str, str]:
        duration = str(self.model.duration(number))
        return {"client": self.target.client, "fingerprint": fingerprint, "duration": duration}

    def _request(
        self,
        kind: str,
        path: str,
        form: dict[str, Any],
        judge: Callable[[dict[str, Any]], tuple[str, str]],
    ) -> tuple[Reply, Record]:
        begun = time.monotonic()
        reply = self.call(path, form)
        seconds = time.monotonic() - begun
        if reply.problem:
            outcome, detail = records.CONNECTION, reply.problem
        elif reply.status == 200:
            outcome, detail = judge(reply.body)
        elif reply.status == 503 and reply.body.get("error", {}).get("code") == 13:
            outcome, detail = records.REFUSED, str(reply.body["error"]["message"])
        else:
            outcome, detail = records.STATUS, f"{reply.status} {json.dumps(reply.body)[:200]}"
        record = Record(kind, begun, seconds, outcome, detail)
        self.records.add(record)
        return reply, record

    def call(self, path: str, form: dict[str, Any]) -> Reply:
        """Send a request on a new connection."""
        address = urlsplit(self.target.url)
        secure = address.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(address.hostname or "", address.port, timeout=TIMEOUT)
        try:
            connection.request("POST", path, urlencode(form, doseq=True), FORM)
            reply = connection.getresponse()
            text = reply.read()
            return Reply(reply.status, json.loads(text))
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, {}, f"{type(error).__name__}: {error}")
        except ValueError:
            return Reply(reply.status, {"not JSON": text[:100].decode(errors="replace")})
        finally:
            connection.close()


def judged(
    body: dict[str, Any], track: str | None, mbids: Collection[str] | None
) -> tuple[str, str]:
    """Return the outcome of a lookup of a known track, and its detail.

    Args:
        body: the reply.
        track: the id of the track.
        mbids: the MBIDs that submissions may have linked to it; None if none were asked for.
    """
    tracks = [each["id"] for each in body["results"]]
    if not tracks:
        return records.MISSING, "no result"
    if tracks != [track]:
        return records.WRONG, f"found {tracks}, not {track}"
    if mbids is not None:
        linked = {each["id"] for each in body["results"][0].get("recordings", [])}
        if not linked or not linked <= set(mbids):
            return records.WRONG, f"{track} has the recordings {sorted(linked)}"
    return records.RIGHT, ""


def _any_body(_body: dict[str, Any]) -> tuple[str, str]:
    return records.RIGHT, ""
