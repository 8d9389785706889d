"""Photographs and drawings: JPEG and PNG, made anew from their pixels and nothing else."""

import io
from typing import Any

from PIL import Image, ImageCms, ImageOps
from PIL.ExifTags import IFD, Base

from ledger.deidentify.result import Deidentified, Limits, Removed
from ledger.errors import InvalidFile

JPEG_QUALITY = 95

_LOOK = "Look at the whole picture for faces, names, dates and anything else that identifies the patient."
_EXIF_KINDS: dict[int, str] = {
    Base.Make: "EXIF camera make and model", Base.Model: "EXIF camera make and model",
    Base.DateTime: "EXIF dates", Base.DateTimeOriginal: "EXIF dates", Base.DateTimeDigitized: "EXIF dates",
    Base.ImageDescription: "EXIF description", Base.UserComment: "EXIF description",
    Base.XPTitle: "EXIF description", Base.XPComment: "EXIF description", Base.XPSubject: "EXIF description",
    Base.XPKeywords: "EXIF description",
    Base.Artist: "EXIF author", Base.XPAuthor: "EXIF author", Base.Copyright: "EXIF author",
    Base.CameraOwnerName: "EXIF author",
    Base.BodySerialNumber: "EXIF serial numbers", Base.LensSerialNumber: "EXIF serial numbers",
    Base.ImageUniqueID: "EXIF serial numbers", Base.CameraSerialNumber: "EXIF serial numbers",
    Base.MakerNote: "EXIF maker note", Base.Software: "EXIF software", Base.HostComputer: "EXIF software",
    Base.Orientation: "EXIF orientation (applied)",
}  # fmt: skip
_PNG_KINDS = {
    b"tEXt": "PNG text", b"zTXt": "PNG text", b"iTXt": "PNG text", b"tIME": "PNG time", b"pHYs": "PNG resolution",
    b"eXIf": "EXIF", b"iCCP": "ICC profile (converted to sRGB)", b"gAMA": "PNG colour information",
    b"cHRM": "PNG colour information", b"sRGB": "PNG colour information", b"sBIT": "PNG colour information",
    b"bKGD": "PNG colour information",
}  # fmt: skip
_PNG_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}


def clean(data: bytes, limits: Limits) -> Deidentified:
    """Decode a picture, turn it upright, convert it to sRGB, and encode it anew.

    JPEG stays JPEG (quality 95, colour at full resolution), PNG stays PNG (lossless).

    Raises:
        InvalidFile: too many pixels (refused before they are decoded), animated, cut short.
        Exception: whatever Pillow raises on damaged data; the caller turns it into InvalidFile.
    """
    kind = "JPEG" if data.startswith(b"\xff\xd8") else "PNG"
    removed = _jpeg_parts(data) if kind == "JPEG" else _png_parts(data)
    with _open(data, kind, limits) as image:
        if getattr(image, "n_frames", 1) > 1:  # cameras put previews and depth maps behind the picture
            removed.add("further pictures in the file")
        image.load()
        removed |= _exif_parts(image)
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
    colours = _to_srgb(upright, profile)
    hidden = _has_transparency(colours)
    pixels = _pixels_only(colours)
    if kind == "JPEG" and pixels.mode not in ("L", "RGB"):
        pixels = pixels.convert("RGB")
    output = io.BytesIO()
    if kind == "JPEG":
        pixels.save(output, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        pixels.save(output, "PNG")
    warnings = [_LOOK]
    if hidden:
        warnings.append("The picture is partly transparent; what is only nearly transparent can be made visible.")
    return Deidentified(
        output.getvalue(),
        f"image/{kind.lower()}",
        tuple(sorted(Removed(what, "removed") for what in removed)),
        tuple(warnings),
    )


def _open(data: bytes, kind: str, limits: Limits) -> Image.Image:
    """The picture with its header read and its pixels still untouched."""
    problem = f"The picture has more than {limits.pixels} pixels."
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=[kind])
    except Image.DecompressionBombError:
        raise InvalidFile(problem) from None
    if image.width * image.height > limits.pixels:
        raise InvalidFile(problem)
    return image


def _pixels_only(image: Image.Image) -> Image.Image:
    """A new image with the same pixels and no memory of where they came from."""
    fresh = Image.frombytes(image.mode, image.size, image.tobytes())
    if fresh.mode in ("RGBA", "LA"):
        # Fully transparent pixels keep their colours, a classic way to "redact"; make them empty.
        alpha = fresh.getchannel("A")
        visible = alpha.point(lambda value: 255 if value else 0)
        fresh = Image.composite(fresh, Image.new(fresh.mode, fresh.size, 0), visible)
    return fresh


def _has_transparency(image: Image.Image) -> bool:
    return "A" in image.getbands() and image.getchannel("A").getextrema() != (255, 255)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif "transparency" in image.info and image.mode in ("L", "RGB"):
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    if profile is None or image.mode not in ("L", "RGB", "RGBA", "LA", "CMYK"):
        return image if image.mode in ("1", "L", "LA", "RGB", "RGBA", "I;16") else _plain_mode(image)
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    base = image.convert(image.mode.removesuffix("A")) if alpha is not None else image
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if base.mode == "L" and source.profile.xcolor_space.strip() == "RGB":  # greyscale saved by colour programs
        base = base.convert("RGB")
    converted = ImageCms.profileToProfile(base, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:  # only when asked to work in place
        raise InvalidFile("The picture's colour profile cannot be applied.")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _plain_mode(image: Image.Image) -> Image.Image:
    # Pillow reads 16-bit greyscale PNG as I;16 or I; only the former has an exact 16-bit form to write.
    return image.convert("I;16" if image.mode == "I" else "RGB")


# ------------------------------------------------------------------------------------ what was in the file


def _exif_parts(image: Image.Image) -> set[str]:
    exif: Any = image.getexif()
    found = set()
    try:
        if exif:
            found.add("EXIF")
        tags = {*exif, *exif.get_ifd(IFD.Exif)}
        found |= {kind for tag, kind in _EXIF_KINDS.items() if tag in tags}
        if exif.get_ifd(IFD.GPSInfo):
            found.add("EXIF GPS position")
        if exif.get_ifd(IFD.IFD1):
            found.add("embedded thumbnail")
    except Exception:  # noqa: BLE001  # EXIF is a nest of offsets; it goes in any case, unread if it must be
        found.add("damaged EXIF")
    return found


def _jpeg_parts(data: bytes) -> set[str]:
    """Names of the metadata segments of a JPEG (ITU-T T.81, annex B); refuses one without its end marker."""
    found = set()
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in (0xDA, 0xD9):
            break
        length = int.from_bytes(data[at + 2 : at + 4])
        found |= _jpeg_segment(marker, data[at + 4 : at + 34])
        at += 2 + length
    end = data.rfind(b"\xff\xd9")
    if end < at:
        raise InvalidFile("The JPEG is cut short.")
    if data[end + 2 :].strip(b"\0"):
        found.add("data after the picture")
    return found


def _jpeg_segment(marker: int, head: bytes) -> set[str]:
    match marker:
        case 0xE1 if head.startswith(b"Exif\0"):
            return {"EXIF"}
        case 0xE1 if head.startswith(b"http://ns.adobe.com/"):
            return {"XMP"}
        case 0xE2 if head.startswith(b"ICC_PROFILE\0"):
            return {"ICC profile (converted to sRGB)"}
        case 0xED:
            return {"IPTC or Photoshop data"}
        case 0xFE:
            return {"comment"}
        case 0xE0 if head.startswith(b"JFIF\0") and len(head) >= 14 and not (head[12] and head[13]):
            return set()
        case 0xE0 if head.startswith((b"JFIF\0", b"JFXX\0")):
            return {"embedded thumbnail"}
        case 0xEE if head.startswith(b"Adobe"):
            return set()
        case _ if 0xE0 <= marker <= 0xEF:
            return {"other application data"}
        case _:
            return set()


def _png_parts(data: bytes) -> set[str]:
    """Names of the ancillary chunks of a PNG; refuses one without its end chunk."""
    found = set()
    at = 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if kind in (b"acTL", b"fcTL", b"fdAT"):
            raise InvalidFile("The picture is animated; only still pictures are supported.")
        if kind == b"iTXt" and data[at + 8 : at + 25] == b"XML:com.adobe.xmp":
            found.add("XMP")
        elif kind not in _PNG_PIXELS:
            found.add(_PNG_KINDS.get(kind, "other PNG data"))
        at += 12 + length
        if kind == b"IEND" and at <= len(data):
            if at < len(data):
                found.add("data after the picture")
            return found
    raise InvalidFile("The PNG is cut short.")
