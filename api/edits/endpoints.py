"""The six edits: of links, texts, fingerprints and tracks, and the undo of an edit."""

from typing import Any, ClassVar, Final
from uuid import UUID

from api.edits.admin_endpoint import EditEndpoint
from api.edits.parameters import need_id, need_ids, need_uuid
from api.http.parameters import Parameters
from pipeline.catalog.edits.edit_log import Author
from pipeline.catalog.edits.errors import NotInCatalogueError, UnknownFingerprintError
from pipeline.catalog.edits.fingerprint_edits import remove_fingerprint, split_track
from pipeline.catalog.edits.link_edits import link_mbid, remove_text, unlink_mbid
from pipeline.catalog.edits.undo import undo_edit

_FINGERPRINT: Final = "the id of a fingerprint"


class UnlinkMbidEndpoint(EditEndpoint):
    """Disables a track's link to an MBID."""

    name: ClassVar[str] = "edit_unlink_mbid"

    def edit(self, author: Author, parameters: Parameters) -> dict[str, Any]:
        """Disable the link."""
        track, mbid = _need_track(parameters), _need_mbid(parameters)
        return {"edit_id": unlink_mbid(self.databases, author, track, mbid)}


class LinkMbidEndpoint(EditEndpoint):
    """Links a track to an MBID, or enables a disabled link."""

    name: ClassVar[str] = "edit_link_mbid"

    def edit(self, author: Author, parameters: Parameters) -> dict[str, Any]:
        """Create or enable the link."""
        track, mbid = _need_track(parameters), _need_mbid(parameters)
        return {"edit_id": link_mbid(self.databases, author, track, mbid)}


class RemoveFingerprintEndpoint(EditEndpoint):
    """Removes a fingerprint."""

    name: ClassVar[str] = "edit_remove_fingerprint"

    def edit(self, author: Author, parameters: Parameters) -> dict[str, Any]:
        """Remove the fingerprint."""
        fingerprint_id = need_id(
            parameters, "fingerprint_id", _FINGERPRINT, UnknownFingerprintError
        )
        return {"edit_id": remove_fingerprint(self.databases, author, fingerprint_id)}


class RemoveTextEndpoint(EditEndpoint):
    """Removes a submitted text from a track."""

    name: ClassVar[str] = "edit_remove_text"

    def edit(self, author: Author, parameters: Parameters) -> dict[str, Any]:
        """Remove the text."""
        track = _need_track(parameters)
        text_id = need_id(parameters, "text_id", "the id of a submitted text", NotInCatalogueError)
        return {"edit_id": remove_text(self.databases, author, track, text_id)}


class SplitTrackEndpoint(EditEndpoint):
    """Moves some fingerprints of a track to a new track."""

    name: ClassVar[str] = "edit_split_track"

    def edit(self, author: Author, parameters: Parameters) -> dict[str, Any]:
        """Split the track; the reply also has the public id of the new track."""
        track = _need_track(parameters)
        ids = need_ids(
            parameters,
            "fingerprint_id",
            f"{_FINGERPRINT}; repeat it for several",
            UnknownFingerprintError,
        )
        made = split_track(self.databases, author, track, ids)
        return {"edit_id": made.edit_id, "new_track": {"id": str(made.gid)}}


class UndoEndpoint(EditEndpoint):
    """Undoes an edit."""

    name: ClassVar[str] = "edit_undo"

    def edit(self, author: Author, parameters: Parameters) -> dict[str, Any]:
        """Undo the edit; the reply has the id of the undo."""
        undone = need_id(parameters, "edit_id", "the id of an edit", NotInCatalogueError)
        return {"edit_id": undo_edit(self.databases, author, undone)}


def _need_track(parameters: Parameters) -> UUID:
    return need_uuid(parameters, "trackid", "the AcoustID of a track")


def _need_mbid(parameters: Parameters) -> UUID:
    return need_uuid(parameters, "mbid", "the id of a MusicBrainz recording")
