"""``/v2/fingerprint``: returns a stored fingerprint."""

from typing import Any, ClassVar, Final

import numpy as np

from api.access.access_control import AccessControl, CountedEndpoint
from api.http.endpoint import ApiRequest
from api.http.errors import FingerprintNotFoundError, MissingParameterError
from api.http.parameters import MAX_ID
from pipeline.catalog.fingerprint.fingerprints import StoredFingerprint, by_ids
from pipeline.runtime.databases import Databases
from pipeline.submission_fields import MAX_DURATION

_SIGNED: Final = np.dtype("<i4")  # as in the public service


class FingerprintEndpoint(CountedEndpoint):
    """Returns the fingerprint with an id. The catalogue is public, so no key is needed."""

    name: ClassVar[str] = "fingerprint"

    def __init__(self, access: AccessControl, databases: Databases) -> None:
        super().__init__(access)
        self._databases = databases

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the fingerprint, whose words are signed 32-bit integers."""
        number = request.parameters.get_int("id")
        if not number:
            raise MissingParameterError("id", "the id of a fingerprint")
        found = self._find(number)
        if found is None:
            raise FingerprintNotFoundError
        hashes = found.words.view(_SIGNED).tolist()
        return {"fingerprint": {"id": found.id, "duration": found.length, "hashes": hashes}}

    def _find(self, number: int) -> StoredFingerprint | None:
        if not 1 <= number <= MAX_ID:
            return None
        with self._databases.engine("fingerprint", read_only=True).connect() as connection:
            return by_ids(connection, [number], 1, MAX_DURATION).get(number)
