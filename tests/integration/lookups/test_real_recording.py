"""Lookups of a real recording, before and after its import."""

from pipeline.fingerprint.codec import compress, decode
from pipeline.following.open_index import open_index
from pipeline.lookups.score import score_lookups
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import Lookup, LookupBatch, TrackHit
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.decorators import requires_script
from tests.support.fixtures import Script
from tests.support.imports import Importer
from tests.support.recordings import recordings
from tests.support.synthetic import Words

DURATION = 200


def find(settings: Settings, databases: Databases, words: Words) -> list[TrackHit]:
    lookup = Lookup(0, DURATION, 7, fingerprint=compress(words))
    batch = validate_lookups(LookupBatch("id", "reply", 0.0, [""], [lookup]))
    with open_index(settings.fingerprint_index) as index:
        return score_lookups(batch, index, databases).lookups[0].hits


@requires_script
def test_before_the_import_nothing_is_found(
    settings: Settings, databases: Databases, fingerprint_fixture: Words
) -> None:
    assert find(settings, databases, fingerprint_fixture) == []


def test_after_the_import_the_recording_and_its_degraded_copies_are_found(
    with_script: Script, fingerprint_fixture: Words
) -> None:
    settings, databases = with_script.settings, with_script.databases
    importer = Importer(databases, settings.fingerprint_index.path)
    [status] = importer.run(importer.receipt(fingerprint_fixture, DURATION))
    copies = [decode(each.fingerprint).words for each in recordings()[0].variants.values()]
    for words in (fingerprint_fixture, *copies):
        [hit] = find(settings, databases, words)
        assert hit.gid == str(status.track_gid)
        assert hit.score > 0.8
    [hit] = find(settings, databases, fingerprint_fixture)
    assert hit.score == 1
