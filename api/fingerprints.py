"""``/v2/fingerprint``: the words of a stored fingerprint, by its id."""

from typing import Any, ClassVar, Final

import numpy as np

from api.http.endpoint import Endpoint
from api.http.errors import FingerprintNotFoundError, MissingParameterError
from api.http.exchange import Exchange
from api.http.parameters import MAX_ID, Parameters
from pipeline.catalog.fingerprint.fingerprints import StoredFingerprint, by_ids
from pipeline.submission_fields import MAX_DURATION

_SIGNED: Final = np.dtype("<i4")  # the public service's form of a word


class FingerprintEndpoint(Endpoint):
    """Tells anyone: what is in the catalogue is public."""

    name: ClassVar[str] = "fingerprint"

    def answer(
        self,
        parameters: Parameters,
        exchange: Exchange,  # noqa: ARG002 - it has been counted
        **fields: str,  # noqa: ARG002 - the path has none
    ) -> dict[str, Any]:
        """Return a fingerprint with its words as signed numbers."""
        number = parameters.get_int("id")
        if not number:
            raise MissingParameterError("id", "the number of a fingerprint of the catalogue")
        found = self._find(number)
        if found is None:
            raise FingerprintNotFoundError
        hashes = found.words.view(_SIGNED).tolist()
        return {"fingerprint": {"id": found.id, "duration": found.length, "hashes": hashes}}

    def _find(self, number: int) -> StoredFingerprint | None:
        if not 1 <= number <= MAX_ID:
            return None
        with self.services.databases.engine("fingerprint", read_only=True).connect() as connection:
            return by_ids(connection, [number], 1, MAX_DURATION).get(number)
