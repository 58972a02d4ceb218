"""`FingerprintService` finds a real recording after its import, and nothing before."""

from pipeline import FingerprintService
from pipeline.fingerprint.codec import decode
from pipeline.following.open_index import open_index
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.recordings import recordings
from tests.support.catalogue.synthetic import Words
from tests.support.decorators import requires_script
from tests.support.fixtures import Script

DURATION = 200


@requires_script
def test_before_the_import_nothing_is_found(
    settings: Settings, databases: Databases, fingerprint_fixture: Words
) -> None:
    with open_index(settings.fingerprint_index) as index:
        assert FingerprintService(databases, index).search(fingerprint_fixture, DURATION) == []


def test_after_the_import_the_recording_and_its_degraded_copies_are_found(
    with_script: Script, fingerprint_fixture: Words
) -> None:
    settings, databases = with_script.settings, with_script.databases
    importer = Importer(databases, settings.fingerprint_index.path)
    [status] = importer.run(importer.receipt(fingerprint_fixture, DURATION))
    copies = [decode(each.fingerprint).words for each in recordings()[0].variants.values()]
    with open_index(settings.fingerprint_index) as index:
        service = FingerprintService(databases, index)
        [match] = service.search(fingerprint_fixture, DURATION)
        assert match.score == 1
        for words in copies:
            [match] = service.search(words, DURATION)
            assert match.track.gid == str(status.track_gid)
            assert match.score > 0.8
