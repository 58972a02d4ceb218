"""Reads and changes the tags of an audio file with Mutagen, in any format that Mutagen can tag."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import mutagen
from mutagen.aiff import AIFF
from mutagen.apev2 import APETextValue, APEv2File
from mutagen.asf import ASF
from mutagen.dsdiff import DSDIFF
from mutagen.dsf import DSF
from mutagen.flac import FLAC
from mutagen.id3 import TXXX, UFID, Encoding, Frame, Frames, ID3FileType
from mutagen.mp4 import MP4, AtomDataType, MP4FreeForm
from mutagen.ogg import OggFileType
from mutagen.wave import WAVE

from cli.commands.client.audio.bad_file import BadFileError, os_reason
from cli.commands.client.audio.tags import tag_names
from cli.commands.client.audio.tags.riff_info import read_riff_info
from cli.commands.client.audio.tags.tag_names import Names


@contextmanager
def bad_file(text: str, path: Path | None = None) -> Iterator[None]:
    """Turn errors of Mutagen into errors of the file.

    Args:
        text: what has failed; the reason follows.
        path: the file, which the reason does not name again.

    Raises:
        BadFileError: Mutagen has failed.
    """
    try:
        yield
    except mutagen.MutagenError as error:
        inner = error.args[0] if error.args else error  # it wraps errors of the operating system
        reason = os_reason(inner) if isinstance(inner, OSError) else _unnamed(error, path)
        raise BadFileError(f"{text}: {reason}") from error
    except OSError as error:
        raise BadFileError(f"{text}: {os_reason(error)}") from error
    except Exception as error:  # damaged files make Mutagen raise errors of any type
        raise BadFileError(f"{text}: the file is damaged") from error


def _unnamed(error: Exception, path: Path | None) -> str:
    """Return the text of an error; ``it`` in the place of the name of the file."""
    return str(error).replace(repr(str(path)), "it") if path else str(error)


class AudioTags(ABC):
    """The tags of one file.

    Attributes:
        file: the file as Mutagen has read it.
    """

    names: ClassVar[Names]

    def __init__(self, file: mutagen.FileType) -> None:
        self.file = file
        self._tags: Any = file.tags  # the type depends on the format; None if there are no tags

    def get(self, field: str) -> list[str]:
        """Return the different values of a field of `tag_names`, without empty ones.

        Some formats have a value twice, for example in two places of a WMA file.

        Raises:
            BadFileError: the file is damaged.
        """
        if self._tags is None:
            return []
        with bad_file("its tags cannot be read"):
            found = [text for text in self._texts(self.names[field]) if text.strip()]
        return list(dict.fromkeys(found))

    def set(self, field: str, value: str) -> None:
        """Replace the values of a field by one value.

        Raises:
            BadFileError: the file is damaged.
        """
        with bad_file("its tags cannot be changed"):
            if self._tags is None:
                self.file.add_tags()
                self._tags = self.file.tags
            self._set(self.names[field], value)

    def save(self, path: Path) -> None:
        """Write the tags to a file with the same audio.

        Raises:
            BadFileError: the file cannot be written.
        """
        with bad_file("its tags cannot be written"):
            self.file.save(path, **self._save_options())

    def _save_options(self) -> dict[str, Any]:
        return {}

    @abstractmethod
    def _texts(self, name: str) -> list[str]:
        """Return the values of a tag."""

    @abstractmethod
    def _set(self, name: str, value: str) -> None:
        """Replace the values of a tag."""


class Id3Tags(AudioTags):
    """ID3 tags: MP3, AIFF, DSF, DSDIFF, True Audio."""

    names = tag_names.ID3

    def _texts(self, name: str) -> list[str]:
        found = self._tags.get(name)
        if found is None:
            return []
        if name.startswith("UFID:"):
            return [found.data.decode("ascii", "replace")]
        return [str(each) for each in found.text]

    def _set(self, name: str, value: str) -> None:
        kind, _, detail = name.partition(":")
        if kind == "UFID":
            frame: Frame = UFID(owner=detail, data=value.encode())
        elif kind == "TXXX":
            frame = TXXX(encoding=Encoding.UTF8, desc=detail, text=[value])
        else:
            frame = Frames[kind](encoding=Encoding.UTF8, text=[value])
        self._tags.setall(name, [frame])

    def _save_options(self) -> dict[str, Any]:
        """Return the options that keep a file with ID3v2.3 at this version for old players."""
        if not (2, 0) <= self._tags.version < (2, 4):
            return {}
        self._tags.update_to_v23()
        return {"v2_version": 3, "v23_sep": None}


class WavTags(Id3Tags):
    """ID3 tags of a WAV file. A field without one has the text of the file's INFO list.

    Args:
        file: the file as Mutagen has read it.
        info: the texts of the INFO list by the fields of `tag_names`.
    """

    def __init__(self, file: mutagen.FileType, info: Mapping[str, str]) -> None:
        super().__init__(file)
        self._info = info

    def get(self, field: str) -> list[str]:
        """Return the values of a field, see `AudioTags.get`."""
        found = self._info.get(field)
        return super().get(field) or ([found] if found else [])


class _ListTags(AudioTags):
    """Tags that are lists of texts or of values with a text."""

    def _texts(self, name: str) -> list[str]:
        return [str(each) for each in self._tags.get(name, ())]

    def _set(self, name: str, value: str) -> None:
        self._tags[name] = [value]


class VorbisTags(_ListTags):
    """Vorbis comments: FLAC, and Vorbis, Opus, Speex and FLAC in Ogg."""

    names = tag_names.VORBIS


class AsfTags(_ListTags):
    """Attributes of ASF: Windows Media."""

    names = tag_names.ASF


class ApeTags(_ListTags):
    """APEv2 tags: Monkey's Audio, WavPack, Musepack, OptimFROG, TAK."""

    names = tag_names.APE

    def _texts(self, name: str) -> list[str]:
        value = self._tags.get(name)
        return list(value) if isinstance(value, APETextValue) else []  # others are binary

    def _set(self, name: str, value: str) -> None:
        self._tags[name] = value


class Mp4Tags(AudioTags):
    """Atoms of MP4: AAC, ALAC."""

    names = tag_names.MP4

    def _texts(self, name: str) -> list[str]:
        return [_mp4_text(each) for each in self._tags.get(name, ())]

    def _set(self, name: str, value: str) -> None:
        is_free = name.startswith("----:")
        self._tags[name] = [
            MP4FreeForm(value.encode(), dataformat=AtomDataType.UTF8) if is_free else value
        ]


def _mp4_text(value: object) -> str:
    if isinstance(value, tuple):  # a number and the total
        return str(value[0]) if value[0] else ""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


_KINDS = (
    ((ID3FileType, AIFF, DSDIFF, DSF), Id3Tags),
    ((FLAC, OggFileType), VorbisTags),
    ((APEv2File,), ApeTags),
    ((MP4,), Mp4Tags),
    ((ASF,), AsfTags),
)


def read_tags(path: Path) -> AudioTags:
    """Return the tags of a file.

    Raises:
        BadFileError: the file cannot be read, or Mutagen does not know tags of its format.
    """
    with bad_file("its tags cannot be read", path):
        file = mutagen.File(path)
        if isinstance(file, WAVE):
            return WavTags(file, read_riff_info(path))
    for types, kind in _KINDS:
        if isinstance(file, types):
            return kind(file)
    raise BadFileError("a file of this format has no tags that can be read")
