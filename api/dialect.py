"""What each version of the protocol calls the parameters that they name differently."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names of one version.

    Attributes:
        duration: of the length of the audio.
        file_format: of the format of the audio file.
    """

    duration: str
    file_format: str


V1: Final = Dialect(duration="length", file_format="format")
V2: Final = Dialect(duration="duration", file_format="fileformat")
