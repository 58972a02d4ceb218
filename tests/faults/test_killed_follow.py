"""A process that follows MusicBrainz is killed: no packet is applied twice, in part, or skipped."""

import os
import signal
import time
from itertools import count
from pathlib import Path
from random import Random

from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.replication.follow import follow
from pipeline.catalog.musicbrainz.replication.sources import DirectorySource
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.musicbrainz.copies import Copy, a_recording, followed_copy
from tests.support.musicbrainz.packets import FIRST, Change, Packet
from tests.support.processes.interruptions import DIED, At, Dying, in_a_child, watch_sql


def write_packets(folder: Path, number: int, rows: int) -> None:
    """Write packets. A second application of any of them would fail or give another sum."""
    lengths = dict.fromkeys(range(10, 10 + rows), 1)
    gids = {each: a_recording(each)["gid"] for each in lengths}
    for sequence in range(FIRST + 1, FIRST + 1 + number):
        changes = []
        for each, length in lengths.items():
            old = a_recording(each, gids[each], length=length)
            new = a_recording(each, gids[each], length=2 * length)
            is_first = sequence == FIRST + 1
            changes.append(Change("recording", old=None if is_first else old, new=new))
            lengths[each] = 2 * length
        Packet(sequence, changes).write(folder)


def apply_all(settings: Settings, folder: Path, at: At | None = None) -> None:
    """Apply packets with new connections, like a new process."""
    databases = Databases(settings)
    engine = databases.engine("musicbrainz")
    if at is not None:
        watch_sql(engine, at)
    for _ in follow(engine, DirectorySource(folder)):
        pass


def check(copy: Copy, rows: int) -> int:
    """Check that the copy has whole packets only; return their number."""
    applied = copy.sequence - FIRST
    lengths = [row["length"] for row in copy.rows(mb.recording)[3:]]
    assert lengths == ([2**applied] * rows if applied else [])
    return applied


def test_killed_at_each_statement(settings: Settings, databases: Databases, tmp_path: Path) -> None:
    """Each time a new process goes on where the last one was killed."""
    write_packets(tmp_path, number=4, rows=3)
    copy = followed_copy(databases)
    seen = set()
    for number in count(1, 2):
        status = in_a_child(lambda: apply_all(settings, tmp_path, Dying(number)))  # noqa: B023 - runs at once
        seen.add(check(copy, 3))
        if status == 0:
            break
        assert status == DIED
    assert seen == set(range(5))
    assert number > 40  # each statement of the first packet, before and after


def test_killed_at_any_time(settings: Settings, databases: Databases, tmp_path: Path) -> None:
    """Also while PostgreSQL reads the lines of a packet."""
    write_packets(tmp_path, number=3, rows=700)
    copy = followed_copy(databases)
    random = Random(1)
    kills = 0
    while check(copy, 700) < 3:
        child = os.fork()
        if child == 0:
            try:
                apply_all(settings, tmp_path)
            finally:
                os._exit(0)
        time.sleep(random.uniform(0.05, 0.4 + 0.2 * kills))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
    assert kills > 1
