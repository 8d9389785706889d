"""What de-identifying takes and gives: limits, findings, the cleaned file."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["removed", "replaced"]


@dataclass(frozen=True, order=True)
class Removed:
    """One thing that was taken out or exchanged: which kind, never its value."""

    what: str
    action: Action


@dataclass(frozen=True)
class Deidentified:
    """A file without its identifying metadata.

    Attributes:
        data: the cleaned file.
        media_type: what it is, found from its content.
        removed: what was in it, for the report to the patient; sorted.
        warnings: sentences for the person who looks at the preview. They say what a program cannot decide.
            An empty list does not mean anonymous: anonymity is never promised.
    """

    data: bytes
    media_type: str
    removed: tuple[Removed, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Limits:
    """How much work a hostile file may cause. Sizes in bytes.

    Attributes:
        data: the file, and its content once decompressed.
        pixels: width times height of a picture.
        dicom_header: everything of a DICOM file but its pixels.
        text: a narrative.
    """

    data: int = 512 * 2**20
    pixels: int = 50_000_000
    dicom_header: int = 16 * 2**20
    text: int = 10 * 2**20
