"""Take out of a file what identifies the patient and is not its point: metadata, never meaning.

What a program cannot see, a face, a name on a label, a story only one person has, is left to the human preview,
and the warnings say where to look.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import BinaryIO

from ledger.deidentify.result import Deidentified, Limits, Removed
from ledger.errors import InvalidFile

__all__ = ["SUPPORTED", "Deidentified", "Limits", "Removed", "deidentify"]

SUPPORTED = "DICOM images, JPEG, PNG, and text or Markdown in UTF-8"

_EXTENSIONS = {
    ".dcm": "DICOM", ".dicom": "DICOM",
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG",
    ".png": "PNG",
    ".md": "text", ".markdown": "text", ".txt": "text", ".text": "text", "": "text",
}  # fmt: skip


def deidentify(name: str, data: bytes | BinaryIO, limits: Limits | None = None) -> Deidentified:
    """Clean one file. What it is, its content decides; its name may only not contradict it.

    Args:
        name: the file's name. It becomes the item's name, so it is searched for personal data too.
        data: the content, or a binary file read to its end.
        limits: how large a file may be, and become.

    Returns:
        The cleaned file with its media type, what was taken out, and what to look at.

    Raises:
        InvalidFile: empty, too large, cut short, damaged, unlike its name, or of a kind not supported. The
            sentence contains nothing of the file.
    """
    limits = limits or Limits()
    content = data if isinstance(data, bytes) else data.read(limits.data + 1)
    if not content:
        raise InvalidFile("The file is empty.")
    if len(content) > limits.data:
        raise InvalidFile(f"The file is larger than {limits.data} bytes.")
    kind = _kind(content)
    extension = PurePath(name).suffix.lower()
    claimed = _EXTENSIONS.get(extension)
    if kind is None and claimed not in (None, "text"):
        raise InvalidFile(f"The name says {claimed} but the content is not.")
    if kind is None and claimed is None:
        raise InvalidFile(f"Files of this kind are not supported; supported are {SUPPORTED}.")
    if kind is not None and claimed not in (None, kind) and extension:
        raise InvalidFile(f"The name says {claimed} but the content is {kind}.")
    found = _cleaned(kind or "text", extension, content, limits)
    return Deidentified(found.data, found.media_type, found.removed, (*_name_warnings(name), *found.warnings))


def _kind(content: bytes) -> str | None:
    if content[128:132] == b"DICM":
        return "DICOM"
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    return None


def _cleaned(kind: str, extension: str, content: bytes, limits: Limits) -> Deidentified:
    problem = f"The file could not be read as {kind}; it is damaged or cut short."
    try:
        with _quiet():
            return _cleaner(kind, extension)(content, limits)
    except InvalidFile as error:
        problem = str(error)
    except Exception:  # noqa: BLE001, S110  # parsers of hostile bytes raise whatever they like
        pass
    # Raised outside the handlers: a parser's error quotes the file, and must not even be the context of ours.
    raise InvalidFile(problem)


def _cleaner(kind: str, extension: str) -> Callable[[bytes, Limits], Deidentified]:
    match kind:
        case "DICOM":
            from ledger.deidentify.dicom import clean

            return clean
        case "JPEG" | "PNG":
            from ledger.deidentify.picture import clean

            return clean
        case _:
            from ledger.deidentify.text import clean_markdown, clean_plain

            return clean_markdown if extension in (".md", ".markdown") else clean_plain


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the parsers: their warnings and log lines quote values from the file."""
    logger = logging.getLogger("pydicom")
    disabled = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = disabled


def _name_warnings(name: str) -> tuple[str, ...]:
    from ledger.deidentify.text import findings

    found = findings(PurePath(name).stem.replace("_", " "))
    return (f"The file's name seems to contain {', '.join(found)}; rename it.",) if found else ()
