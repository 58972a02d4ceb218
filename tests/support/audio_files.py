"""Small audio files of each format with tags, and a program in place of fpcalc."""

import struct
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mutagen.ogg import OggPage

FPCALC: Final = """#!/bin/sh
for file; do :; done
own="${file%/*}/.${file##*/}.fpcalc"
if [ -f "$own" ]; then . "$own"; fi
echo '{"duration": 10.4, "fingerprint": "AQAAAQcZ"}'
exit 3
"""
"""A program that prints a fingerprint of 10 seconds and ends with 3, as fpcalc 1.5.1 does.

If a file has a file of `answer_with`, the program runs that first.
"""


def write_fpcalc(folder: Path) -> Path:
    """Write the program that stands in for fpcalc."""
    program = folder / "fpcalc"
    program.write_text(FPCALC)
    program.chmod(0o755)
    return program


def answer_with(audio: Path, script: str) -> None:
    """Write shell commands that the program of `write_fpcalc` runs for an audio file."""
    audio.with_name(f".{audio.name}.fpcalc").write_text(script)


def answer_seconds(audio: Path, seconds: float) -> None:
    """Let the program of `write_fpcalc` print a duration for an audio file."""
    output = f'{{"duration": {seconds}, "fingerprint": "AQAAAQcZ"}}'
    answer_with(audio, f"echo '{output}'; exit 3\n")


def write_wav(path: Path) -> Path:
    """Write a second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000))
    return path


def write_aiff(path: Path) -> Path:
    """Write 8 samples of silence."""
    rate = struct.pack(">hQ", 0x400B, 0xFA00000000000000)  # 8000 as an 80-bit number
    common = b"COMM" + struct.pack(">IhIh", 18, 1, 8, 16) + rate
    sound = b"SSND" + struct.pack(">III", 8 + 16, 0, 0) + bytes(16)
    path.write_bytes(
        b"FORM" + struct.pack(">I", 4 + len(common + sound)) + b"AIFF" + common + sound
    )
    return path


def write_mp3(path: Path) -> Path:
    """Write frames of 128 kbit/s and 44.1 kHz without sound."""
    path.write_bytes((b"\xff\xfb\x90\x00" + bytes(413)) * 40)
    return path


def write_flac(path: Path) -> Path:
    """Write the information about a stream of 16-bit mono at 8 kHz without frames."""
    packed = (8000 << 44) | (0 << 41) | (15 << 36) | 8000
    stream = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    path.write_bytes(b"fLaC" + b"\x80" + len(stream).to_bytes(3, "big") + stream)
    return path


def write_opus(path: Path) -> Path:
    """Write the two headers of a stream and an empty packet."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    pages = bytearray()
    for number, packet in enumerate((head, tags, b"\xfc")):
        page = OggPage()
        page.packets, page.sequence, page.serial = [packet], number, 1
        page.position = 48000 if number == 2 else 0
        page.first, page.last = number == 0, number == 2
        pages += page.write()
    path.write_bytes(pages)
    return path


def write_m4a(path: Path) -> Path:
    """Write the description of an ALAC track without samples."""

    def atom(name: bytes, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return struct.pack(">I", 8 + len(content)) + name + content

    entry = bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHIHH", 1, 16, 0, 8000, 0)
    codec = struct.pack(">IIBBBBBBHIII", 0, 4096, 0, 16, 40, 10, 14, 1, 255, 0, 128_000, 8000)
    entry = atom(b"alac", entry, atom(b"alac", codec))
    description = atom(b"stsd", bytes(4), struct.pack(">I", 1), entry)
    media = atom(
        b"mdia",
        atom(b"mdhd", bytes(12), struct.pack(">IIHH", 8000, 16000, 0, 0)),
        atom(b"hdlr", bytes(8), b"soun", bytes(13)),
        atom(b"minf", atom(b"stbl", description)),
    )
    path.write_bytes(
        atom(b"ftyp", b"M4A ", bytes(4), b"M4A ") + atom(b"moov", atom(b"trak", media))
    )
    return path


def write_wavpack(path: Path) -> Path:
    """Write the header of a block without samples."""
    flags = (9 << 23) | 1  # 44.1 kHz, 16 bits
    path.write_bytes(
        b"wvpk" + struct.pack("<IHBBIIIII", 24, 0x410, 0, 0, 44100, 0, 44100, flags, 0)
    )
    return path


def write_wma(path: Path) -> Path:
    """Write a header with the properties of a file."""

    def part(guid: str, content: bytes) -> bytes:
        return bytes.fromhex(guid) + struct.pack("<Q", 24 + len(content)) + content

    properties = part("a1dcab8c47a9cf118ee400c00c205365", bytes(80))
    header = struct.pack("<IBB", 1, 1, 2) + properties
    path.write_bytes(part("3026b2758e66cf11a6d900aa0062ce6c", header))
    return path


WRITERS: Final[Mapping[str, Callable[[Path], Path]]] = MappingProxyType(
    {
        "aiff": write_aiff,
        "flac": write_flac,
        "m4a": write_m4a,
        "mp3": write_mp3,
        "opus": write_opus,
        "wav": write_wav,
        "wma": write_wma,
        "wv": write_wavpack,
    }
)
"""Functions that write a file without tags, by extension."""
