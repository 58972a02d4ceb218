"""The names of tags in each format, those that MusicBrainz Picard uses.

Source: the appendix "Tag Mapping" of Picard's documentation.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TITLE: Final = "title"
ARTIST: Final = "artist"
ALBUM: Final = "album"
ALBUM_ARTIST: Final = "album artist"
TRACK: Final = "track number"
DISC: Final = "disc number"
DATE: Final = "date"
RECORDING: Final = "MusicBrainz recording id"
ACOUSTID: Final = "AcoustID"

Names = Mapping[str, str]

ID3: Final[Names] = MappingProxyType(
    {
        TITLE: "TIT2",
        ARTIST: "TPE1",
        ALBUM: "TALB",
        ALBUM_ARTIST: "TPE2",
        TRACK: "TRCK",
        DISC: "TPOS",
        DATE: "TDRC",
        RECORDING: "UFID:http://musicbrainz.org",
        ACOUSTID: "TXXX:Acoustid Id",
    }
)

VORBIS: Final[Names] = MappingProxyType(
    {
        TITLE: "TITLE",
        ARTIST: "ARTIST",
        ALBUM: "ALBUM",
        ALBUM_ARTIST: "ALBUMARTIST",
        TRACK: "TRACKNUMBER",
        DISC: "DISCNUMBER",
        DATE: "DATE",
        RECORDING: "MUSICBRAINZ_TRACKID",
        ACOUSTID: "ACOUSTID_ID",
    }
)

APE: Final[Names] = MappingProxyType(
    {
        TITLE: "Title",
        ARTIST: "Artist",
        ALBUM: "Album",
        ALBUM_ARTIST: "Album Artist",
        TRACK: "Track",
        DISC: "Disc",
        DATE: "Year",
        RECORDING: "MUSICBRAINZ_TRACKID",
        ACOUSTID: "ACOUSTID_ID",
    }
)

MP4: Final[Names] = MappingProxyType(
    {
        TITLE: "\xa9nam",
        ARTIST: "\xa9ART",
        ALBUM: "\xa9alb",
        ALBUM_ARTIST: "aART",
        TRACK: "trkn",
        DISC: "disk",
        DATE: "\xa9day",
        RECORDING: "----:com.apple.iTunes:MusicBrainz Track Id",
        ACOUSTID: "----:com.apple.iTunes:Acoustid Id",
    }
)

ASF: Final[Names] = MappingProxyType(
    {
        TITLE: "Title",
        ARTIST: "Author",
        ALBUM: "WM/AlbumTitle",
        ALBUM_ARTIST: "WM/AlbumArtist",
        TRACK: "WM/TrackNumber",
        DISC: "WM/PartOfSet",
        DATE: "WM/Year",
        RECORDING: "MusicBrainz/Track Id",
        ACOUSTID: "Acoustid/Id",
    }
)
