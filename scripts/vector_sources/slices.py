"""The source of tests/vectors/dicom.json: small DICOM files, and the pixels that pydicom says a screen must show.

What is drawn follows from fixed numbers. A byte of brightness may be rounded to either side.
"""

import io
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_color_lut, apply_rescale, apply_windowing, convert_color_space
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

_ROWS, _COLUMNS = 5, 7
_CLASS = UID("1.2.840.10008.5.1.4.1.1.7")


def vectors() -> object:
    """The content of the file."""
    return {
        "about": "file is the DICOM file, rgb the picture of the frame, both hexadecimal; width and height in pixels.",
        "cases": [
            _grey("16 bit, window", WindowCenter="40", WindowWidth="400", RescaleIntercept="-1024", RescaleSlope="1"),
            _grey("signed 12 bit", bits=12, signed=True, WindowCenter="0", WindowWidth="1000"),
            _grey("inverted", PhotometricInterpretation="MONOCHROME1", WindowCenter="3000", WindowWidth="2500.5"),
            _grey("exact", WindowCenter="3000", WindowWidth="2500", VOILUTFunction="LINEAR_EXACT"),
            _grey("sigmoid", WindowCenter="3000", WindowWidth="2500", VOILUTFunction="SIGMOID"),
            _grey("several windows", WindowCenter=["500", "9"], WindowWidth=["600", "9"]),
            _grey("no types", syntax=ImplicitVRLittleEndian, WindowCenter="500", WindowWidth="600"),
            _grey("big end first", syntax=ExplicitVRBigEndian, WindowCenter="500", WindowWidth="600"),
            _grey("run lengths", syntax=RLELossless, WindowCenter="500", WindowWidth="600"),
            _grey("the second of three", frames=3, frame=1, WindowCenter="500", WindowWidth="600"),
            _grey(
                "run lengths, the last", frames=3, frame=2, syntax=RLELossless, WindowCenter="500", WindowWidth="600"
            ),
            _grey("8 bit", bits=8, WindowCenter="128", WindowWidth="256"),
            _colour("RGB"),
            _colour("RGB", planar=1),
            _colour("RGB", syntax=RLELossless),
            _colour("YBR_FULL"),
            _palette(),
        ],
        "jpegs": [_jpeg(1), _jpeg(2)],
    }


def _dataset(syntax: UID, frames: int = 1) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = _CLASS, UID("1.2.3.4")
    made.SOPClassUID, made.SOPInstanceUID = _CLASS, UID("1.2.3.4")
    made.Rows, made.Columns = _ROWS, _COLUMNS
    if frames > 1:
        made.NumberOfFrames = frames
    return made


def _numbers(count: int, bits: int) -> Any:
    """Values that look drawn at random, always the same ones."""
    return (np.arange(count, dtype=np.uint64) * 2654435761 >> 8) % (1 << bits)


def _finish(made: Dataset, pixels: Any, syntax: UID, about: str, frame: int, shown: Any) -> dict[str, Any]:
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    made.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    made.PixelData += b"\0" * (len(made.PixelData) % 2)
    made["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"
    if syntax == RLELossless:
        made.compress(RLELossless, generate_instance_uid=False)
    out = io.BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return {
        "about": about,
        "frame": frame,
        "width": _COLUMNS,
        "height": _ROWS,
        "file": out.getvalue().hex(),
        "rgb": shown.astype(np.uint8).tobytes().hex(),
    }


def _grey(
    about: str,
    *,
    syntax: UID = ExplicitVRLittleEndian,
    bits: int = 16,
    signed: bool = False,
    frames: int = 1,
    frame: int = 0,
    **attributes: Any,
) -> dict[str, Any]:
    made = _dataset(syntax, frames)
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = 8 if bits == 8 else 16, bits, bits - 1
    made.PixelRepresentation = int(signed)
    for name, value in attributes.items():
        setattr(made, name, value)
    stored = _numbers(frames * _ROWS * _COLUMNS, bits).astype(np.uint8 if bits == 8 else np.uint16)
    values = stored.astype(np.int64)
    if signed:
        values = np.where(values >= 1 << (bits - 1), values - (1 << bits), values)
    values = values.reshape(frames, _ROWS, _COLUMNS)[frame].astype(np.float64)
    # What the window is stretched to is what a screen shows, 0 to 255.
    shown = apply_windowing(apply_rescale(values, made) if "RescaleSlope" in made else values, _eight(made))
    shown = np.clip(np.rint(shown), 0, 255)
    if made.PhotometricInterpretation == "MONOCHROME1":
        shown = 255 - shown
    return _finish(made, stored, syntax, about, frame, np.repeat(shown.reshape(-1, 1), 3, axis=1))


def _eight(made: Dataset) -> Dataset:
    """The same window on values of 8 bits, which is what pydicom stretches to."""
    window = Dataset()
    for name in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
        if name in made:
            setattr(window, name, made[name].value)
    window.PhotometricInterpretation, window.BitsStored, window.PixelRepresentation = "MONOCHROME2", 8, 0
    return window


def _colour(photometric: str, *, planar: int = 0, syntax: UID = ExplicitVRLittleEndian) -> dict[str, Any]:
    made = _dataset(syntax)
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, photometric, planar
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    pixels = _numbers(_ROWS * _COLUMNS * 3, 8).astype(np.uint8).reshape(_ROWS, _COLUMNS, 3)
    shown = convert_color_space(pixels, photometric, "RGB") if photometric != "RGB" else pixels
    about = f"{photometric}, planes {'apart' if planar else 'together'}, {syntax.name}"
    stored = np.moveaxis(pixels, 2, 0).copy() if planar else pixels
    return _finish(made, stored, syntax, about, 0, shown)


def _jpeg(frames: int) -> dict[str, Any]:
    """A file whose frames are JPEG files; `jpeg` is the last of them."""
    made, pictures = _dataset(JPEGBaseline8Bit, frames), []
    for frame in range(frames):
        picture = io.BytesIO()
        Image.new("RGB", (_COLUMNS, _ROWS), (40 * frame, 90, 200)).save(picture, "JPEG")
        pictures.append(picture.getvalue() + b"\0" * (len(picture.getvalue()) % 2))
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "YBR_FULL_422", 0
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = encapsulate(pictures)
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    out = io.BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return {"frames": frames, "file": out.getvalue().hex(), "jpeg": pictures[-1].hex()}


def _palette() -> dict[str, Any]:
    made = _dataset(ExplicitVRLittleEndian)
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "PALETTE COLOR"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    for number, name in enumerate(("Red", "Green", "Blue")):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [16, 3, 16])
        table = ((_numbers(16, 8).astype(np.uint16) + number * 17) % 256) << 8
        setattr(made, f"{name}PaletteColorLookupTableData", table.astype("<u2").tobytes())
    pixels = _numbers(_ROWS * _COLUMNS, 5).astype(np.uint8)
    shown = apply_color_lut(pixels, made) >> 8
    return _finish(made, pixels, ExplicitVRLittleEndian, "a palette", 0, shown)
