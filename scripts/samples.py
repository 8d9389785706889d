"""The case of the demonstration: our own narrative, pydicom's real CT slice, and a photograph with a place in it."""

import io
import math
from pathlib import Path

from PIL import Image, ImageDraw, TiffImagePlugin
from pydicom.data import get_testdata_file

from ledger.errors import InvalidInput

NARRATIVE = "narrative.md"
CT_SLICE = "ct-slice.dcm"
PHOTOGRAPH = "photograph.jpg"

_TEXT = """# A shadow on a chest scan that was not what it seemed

A person in midlife came to us after three weeks of a dry cough. There was no fever and no loss of weight. On the
first scan a rounded shadow lay close to the border of the left lung, and the word that nobody wants to hear was on
everybody's mind.

A second look, two days later and lying on the other side, told another story: the shadow had moved. It was a pocket
of fluid between two folds of the lining, a *pseudotumour*. It was treated with tablets. Six weeks later the scan was
clear, and the cough was gone.

**What we learned.** Before a needle, a second picture in another position. The patient asked us to write this down,
so that others are spared the fright.
"""


def narrative() -> bytes:
    """A short case report in Markdown, written by us."""
    return _TEXT.encode()


def ct_slice() -> bytes:
    """The real CT slice that comes with pydicom. It names a patient.

    Raises:
        InvalidInput: pydicom came without it.
    """
    path = get_testdata_file("CT_small.dcm", download=False)
    if path is None:
        raise InvalidInput("pydicom came without its CT slice. Run `make setup` again.")
    return Path(str(path)).read_bytes()


def photograph() -> bytes:
    """A JPEG of a stethoscope, drawn here, with EXIF that says when, with what and where it was taken."""
    picture = Image.new("RGB", (960, 640), "#dfe8ec")
    draw = ImageDraw.Draw(picture)
    for y in range(640):
        shade = int(18 * math.sin(y / 200))
        draw.line([(0, y), (960, y)], fill=(223 - shade, 232 - shade, 236 - shade))
    draw.arc([250, 40, 560, 420], 20, 160, fill="#3b4a54", width=18)
    draw.line([(405, 415), (405, 520)], fill="#3b4a54", width=18)
    draw.arc([405, 430, 640, 610], 0, 180, fill="#3b4a54", width=18)
    draw.ellipse([575, 420, 705, 550], fill="#8796a0", outline="#3b4a54", width=10)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Example Optics", "Pocket 7", "2026:03:14 09:26:53"

    def degrees(value: float) -> tuple[TiffImagePlugin.IFDRational, ...]:
        whole = int(value)
        minutes = int((value - whole) * 60)
        return tuple(TiffImagePlugin.IFDRational(part) for part in (whole, minutes, 30))

    exif.get_ifd(0x8825).update({1: "N", 2: degrees(48.2), 3: "E", 4: degrees(16.37)})
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=90, exif=exif)
    return data.getvalue()


def write_samples(folder: Path) -> list[Path]:
    """Write the three files of the case; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in ((NARRATIVE, narrative()), (CT_SLICE, ct_slice()), (PHOTOGRAPH, photograph())):
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    return paths
