"""``/v2/track/*``: returns the tracks of recordings."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar
from uuid import UUID

from api.access.access_control import AccessControl, CountedEndpoint
from api.http.endpoint import ApiRequest
from api.http.errors import InvalidUUIDError, MissingParameterError
from api.http.parameters import Parameters, parse_uuid
from pipeline.catalog.duration_mismatch import LengthRange, is_mismatch
from pipeline.catalog.fingerprint.track_links import LinkedTrack, tracks_by_mbids
from pipeline.catalog.musicbrainz.recording_lengths import recording_lengths
from pipeline.runtime.databases import Databases


class ListByMbidEndpoint(CountedEndpoint):
    """Returns the tracks that are linked to MusicBrainz recordings. No key is needed."""

    name: ClassVar[str] = "track_list_by_mbid"

    def __init__(self, access: AccessControl, databases: Databases) -> None:
        super().__init__(access)
        self._databases = databases

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the tracks of the first MBID, or with ``batch`` those of each MBID.

        With ``batch`` the reply has each MBID in the client's spelling.
        """
        parameters = request.parameters
        mbids = _parse_mbids(parameters)
        batch = bool(parameters.get_int("batch"))
        disabled = bool(parameters.get_int("disabled"))
        if not batch:
            mbids = dict(islice(mbids.items(), 1))
        found = self._find(mbids, disabled=disabled)
        lengths = recording_lengths(self._databases, found.keys())
        shown = [
            {
                "mbid": text,
                "tracks": [_show(track, lengths.get(mbid)) for track in found.get(mbid, ())],
            }
            for text, mbid in mbids.items()
        ]
        return {"mbids": shown} if batch else {"tracks": shown[0]["tracks"]}

    def _find(self, mbids: Mapping[str, UUID], *, disabled: bool) -> dict[UUID, list[LinkedTrack]]:
        with self._databases.engine("fingerprint", read_only=True).connect() as connection:
            return tracks_by_mbids(connection, set(mbids.values()), disabled=disabled)


class ListByPuidEndpoint(CountedEndpoint):
    """Returns no tracks. PUIDs are retired, but old clients still send them."""

    name: ClassVar[str] = "track_list_by_puid"

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return an empty list."""
        puid = request.parameters.get("puid")
        if not puid:
            raise MissingParameterError("puid")
        if parse_uuid(puid) is None:
            raise InvalidUUIDError("puid")
        return {"tracks": []}


def _parse_mbids(parameters: Parameters) -> dict[str, UUID]:
    """Return the MBIDs by the client's spelling, in the order of the request."""
    texts = parameters.get_all("mbid")
    if not any(texts):
        raise MissingParameterError("mbid", "the id of a MusicBrainz recording")
    mbids: dict[str, UUID] = {}
    for text in texts:
        mbid = parse_uuid(text)
        if mbid is None:
            raise InvalidUUIDError("mbid")
        mbids[text] = mbid
    return mbids


def _show(track: LinkedTrack, milliseconds: int | None) -> dict[str, Any]:
    """Return the JSON of a track; `milliseconds` is the length of the recording."""
    shown = {"id": str(track.gid), "lengths": track.lengths, "sources": track.sources}
    if track.disabled:
        shown["disabled"] = True
    lengths = LengthRange(track.lengths[0], track.lengths[-1]) if track.lengths else None
    if is_mismatch(milliseconds, lengths):
        shown["duration_mismatch"] = True
    return shown
