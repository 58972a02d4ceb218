"""The format of a segment's file.

Little-endian: a header (magic, number), then the start of each fingerprint's words and the end of
the last ones (uint64[n + 1], counted in words), the public ids of their tracks (16 bytes each), ids
(uint32[n], ascending), lengths (uint32[n]), numbers of their tracks (uint32[n]), tombstones
(uint32[m], ascending), and the words of all (uint32). The manifest's entry has the counts, so a
truncated file is detected by its size.
"""

from typing import Final, NamedTuple

from pipeline.storage.format import STORE_SUFFIX, segment_name

MAGIC: Final = b"AIDFPS02"
HEADER_SIZE: Final = 16
ROW_SIZE: Final = 8 + 16 + 4 + 4 + 4
SUFFIX: Final = STORE_SUFFIX


class StoreSegmentEntry(NamedTuple):
    """The entry of a segment in the manifest.

    Attributes:
        number: the number in the file's name; never used twice.
        fingerprints: number of fingerprints.
        tombstones: number of ids that it marks as deleted; older segments have each of them.
        words: number of words of all its fingerprints.
        table_crc: CRC-32 of everything between the header and the words.
        words_crc: CRC-32 of the words.
    """

    number: int
    fingerprints: int
    tombstones: int
    words: int
    table_crc: int
    words_crc: int

    @property
    def file_name(self) -> str:
        """The name of the segment's file."""
        return segment_name(self.number, SUFFIX)

    @property
    def words_start(self) -> int:
        """Byte at which the words begin."""
        return HEADER_SIZE + 8 + ROW_SIZE * self.fingerprints + 4 * self.tombstones

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.words_start + 4 * self.words


def header(number: int) -> bytes:
    """Return the first bytes of a segment's file."""
    return MAGIC + number.to_bytes(HEADER_SIZE - len(MAGIC), "little")
