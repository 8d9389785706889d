"""DICOM images: a new file from the pixels and those attributes that are known to be harmless.

The attribute table of DICOM PS3.15, annex E (Basic Application Level Confidentiality Profile) lists what to take
out, and grows every year. Here the rule is turned round: text is dropped unless it is listed as technical, codes
and numbers are kept unless they are listed as personal. dicognito exchanges what must stay but not as it is:
UIDs and identifiers become others, dates and times move together by one random distance.
"""

import io
import re
import zlib
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from dicognito.anonymizer import Anonymizer
from pydicom import Dataset, config, dcmwrite
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.pixels.utils import get_expected_length
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)
from pydicom.valuerep import validate_value

from ledger.deidentify.result import Deidentified, Limits, Removed
from ledger.errors import InvalidFile

MAX_ELEMENTS = 500_000
MAX_READS = 4 * MAX_ELEMENTS
MAX_AGE = 89
"""Ages above it are few enough to single a person out (45 CFR 164.514(b)(2)(i)(C)); shown as 090Y."""

_PIXELS = Tag("PixelData")
_NATIVE = {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian}
_JPEG = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81)}
_JPEG_2000 = {f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203)}
_PHOTOMETRIC = {
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT",
}  # fmt: skip
# Not compared with identifiers: what the pixels cannot be read without, and what dicognito exchanges.
_EXEMPT = {"PhotometricInterpretation", "SpecificCharacterSet", "PatientID", "StudyID"}

_TEXT_VRS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
_NUMBER_VRS = {"AT", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"}
_BINARY_VRS = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}

_KEPT_TEXT = {
    "CodeMeaning", "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "ConvolutionKernel", "FilterType",
    "ImagedNucleus", "Manufacturer", "ManufacturerModelName", "ModalityLUTType", "ReceiveCoilName", "RescaleType",
    "SequenceName", "TransmitCoilName",
    "PatientID", "StudyID",  # exchanged by dicognito
}  # fmt: skip
_CODE_TEXT = {"CodeMeaning", "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion"}
_KEPT_BINARY = {
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData", "LUTData",
}  # fmt: skip
# Vocabularies anybody can look up. Any other code is a site's own, and may name the site.
_PUBLIC_CODES = {"DCM", "SCT", "SRT", "SNM3", "99SDM", "UCUM", "LN", "FMA", "RADLEX", "UMLS", "NCIt", "I10", "I9C"}
# Codes, numbers, UIDs, dates and sequences that PS3.15 E.1-1 removes.
_REMOVED = {
    "LastMenstrualDate", "PatientBirthDate", "PatientBirthTime", "PatientBirthDateInAlternativeCalendar",
    "PatientDeathDateInAlternativeCalendar", "PatientSexNeutered", "PregnancyStatus", "SmokingStatus",
    "PatientIdentityRemoved", "DeidentificationMethodCodeSequence",
    "CodingSchemeUID", "ContextUID", "ContextGroupExtensionCreatorUID", "DeviceUID", "MappingResourceUID",
    "InstanceCreatorUID", "DigitalSignatureUID",
    "ActualHumanPerformersSequence", "AdmittingDiagnosesCodeSequence", "AuthorObserverSequence",
    "CodingSchemeIdentificationSequence", "ConsultingPhysicianIdentificationSequence", "ContentCreatorSequence",
    "ContributingEquipmentSequence", "CustodialOrganizationSequence", "DigitalSignaturesSequence",
    "EncryptedAttributesSequence", "IconImageSequence", "InstitutionalDepartmentTypeCodeSequence",
    "InstitutionCodeSequence", "IssuerOfAccessionNumberSequence", "IssuerOfPatientIDQualifiersSequence",
    "MACParametersSequence", "ModifiedAttributesSequence", "OperatorIdentificationSequence",
    "OriginalAttributesSequence", "OtherPatientIDsSequence", "ParticipantSequence",
    "PatientInsurancePlanCodeSequence", "PatientPrimaryLanguageCodeSequence",
    "PerformingPhysicianIdentificationSequence",
    "PersonIdentificationCodeSequence", "PhysiciansOfRecordIdentificationSequence",
    "PhysiciansReadingStudyIdentificationSequence", "ReferencedPatientAliasSequence", "ReferencedPatientSequence",
    "ReferencedPatientPhotoSequence", "ReferencedPerformedProcedureStepSequence", "ReferencedStudySequence",
    "ReferencedVisitSequence", "ReferringPhysicianIdentificationSequence", "RequestAttributesSequence",
    "RequestingPhysicianIdentificationSequence", "ResponsiblePersonRole", "ScheduledProcedureStepSequence",
    "SourcePatientGroupIdentificationSequence", "GroupOfPatientsIdentificationSequence", "VerifyingObserverSequence",
    "WaveformSequence", "WaveformAnnotationSequence", "ContentSequence", "GraphicAnnotationSequence",
}  # fmt: skip
_IDENTIFIERS = {
    "AccessionNumber", "InstitutionName", "InstitutionAddress", "IssuerOfPatientID", "MedicalRecordLocator",
    "OtherPatientIDs", "PatientAddress", "PatientBirthDate", "PatientID", "PatientTelephoneNumbers", "StationName",
    "StudyID", "DeviceSerialNumber",
}  # fmt: skip
_CHARACTERISTICS = {"PatientSex": "sex", "PatientAge": "age", "PatientSize": "size", "PatientWeight": "weight"}

_DATE = re.compile(r"(?:19|20|21)\d{6}")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?")
_DATE_TIME = re.compile(rf"({_DATE.pattern})(?:{_TIME.pattern})?(?:[+-]\d{{4}})?")

_NAME_PARTS = re.compile(r"[\^=\s,]+")
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")

_BURNED_IN: Final = "Text may be part of the picture itself (names, dates, the institution); look at every frame."
_BURNED_IN_SAID: Final = "The file says that text is burned into the picture; look at every frame."
_FACE: Final = "If slices show the head, a face can be reconstructed from them."


def clean(data: bytes, limits: Limits) -> Deidentified:
    """Read, clean and write a DICOM image.

    1. parse the header alone, within a budget, and check the declared size of the pixels
    2. drop what is private, unknown, personal, malformed, or repeats an identifier elsewhere
    3. take exactly the declared pixels, without what compressed frames carry besides
    4. let dicognito exchange UIDs, identifiers and dates
    5. write a new file: empty preamble, new file meta

    Raises:
        InvalidFile: not an image, not a supported encoding, too large, cut short, or inconsistent.
        Exception: whatever pydicom raises on damaged data; the caller turns it into InvalidFile.
    """
    syntax, body = _body(data, limits)
    header, at = _header(body, syntax, limits)
    _check_image(header)
    _check_character_sets(header)
    report: set[Removed] = set()
    _clean(header, _identifiers(header), report)
    size = _pixel_size(header, limits)
    _take_pixels(header, _raw_pixels(body, at, syntax, report), syntax, size, report)
    warnings = _warnings(header)
    _exchange(header, report)
    return Deidentified(_write(header, syntax), "application/dicom", tuple(sorted(report)), tuple(warnings))


# ------------------------------------------------------------------------------------------------ reading


class _Budget(io.BytesIO):
    """Bytes that can only be read so many times over: a header is small, or it is an attack."""

    def __init__(self, data: bytes, budget: int) -> None:
        super().__init__(data)
        self._budget = budget
        self._reads = MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._budget -= len(data)
        self._reads -= 1
        if self._budget < 0 or self._reads < 0:
            raise InvalidFile("The header of the DICOM file is too large.")
        return data


def _body(data: bytes, limits: Limits) -> tuple[str, bytes]:
    """Transfer syntax and data set, inflated if need be, of a file of PS3.10 (128 bytes, DICM, group 0002)."""
    if data[132:140] != b"\x02\x00\x00\x00UL\x04\x00" or len(data) < 144:
        raise InvalidFile("The DICOM file does not begin with its meta information.")
    end = 144 + int.from_bytes(data[140:144], "little")
    if end >= len(data):
        raise InvalidFile("The DICOM file is cut short.")
    meta = read_dataset(_Budget(data[144:end], limits.dicom_header), is_implicit_VR=False, is_little_endian=True)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if syntax == DeflatedExplicitVRLittleEndian:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        body = inflater.decompress(data[end:], limits.data)
        if inflater.unconsumed_tail:
            raise InvalidFile(f"The DICOM file is larger than {limits.data} bytes when inflated.")
        if not inflater.eof:
            raise InvalidFile("The DICOM file is cut short.")
        return ExplicitVRLittleEndian, body
    if syntax not in _NATIVE | _JPEG | _JPEG_2000 | {RLELossless}:
        raise InvalidFile("The DICOM file's transfer syntax is not supported; export it as uncompressed or JPEG.")
    return syntax, data[end:]


def _encoding(syntax: str) -> tuple[bool, bool]:
    return syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian


def _header(body: bytes, syntax: str, limits: Limits) -> tuple[Dataset, int]:
    """All before the pixels, with how many bytes that is."""
    implicit, little = _encoding(syntax)
    stream = _Budget(body, limits.dicom_header)
    header = read_dataset(stream, implicit, little, stop_when=lambda tag, _vr, _length: tag >= _PIXELS)
    at = stream.tell()
    if at >= len(body):
        raise InvalidFile("The DICOM file holds no image, or is cut short.")
    return header, at


def _walk(dataset: Dataset) -> Iterator[tuple[Dataset, Any]]:
    """Every element that can be read, at every depth."""
    count = 0
    stack = [dataset]
    while stack:
        inner = stack.pop()
        for tag in list(inner.keys()):
            count += 1
            if count > MAX_ELEMENTS:
                raise InvalidFile("The header of the DICOM file is too large.")
            element = _read(inner, tag)
            if element is None:
                continue
            yield inner, element
            if element.VR == "SQ":
                stack.extend(element.value)


# ----------------------------------------------------------------------------------------------- cleaning


def _identifiers(header: Dataset) -> set[str]:
    """What names the patient or the place, in lower case and long enough not to be found by chance."""
    found: set[str] = set()
    for _, element in _walk(header):
        if element.VR == "PN" or element.keyword in _IDENTIFIERS:
            for value in _values(element):
                text = str(value).casefold().strip()
                found.update(part for part in (text, *_NAME_PARTS.split(text)) if len(part) >= 4)
    return found


def _clean(dataset: Dataset, identifiers: set[str], report: set[Removed]) -> None:
    coded = dataset.get("CodingSchemeDesignator") in _PUBLIC_CODES
    for tag in list(dataset.keys()):
        name = _why_removed(dataset, tag, identifiers, coded)
        if name is not None:
            if name:
                report.add(Removed(name, "removed"))
            del dataset[tag]
        elif dataset[tag].VR == "SQ":
            for item in dataset[tag].value:
                _clean(item, identifiers, report)


def _why_removed(dataset: Dataset, tag: BaseTag, identifiers: set[str], coded: bool) -> str | None:
    """The name under which an element's removal is reported, empty for not at all; None if it stays."""
    if tag.is_private:
        return "PrivateAttributes"
    if 0x5000 <= tag.group <= 0x50FF:
        return "CurveData"
    if 0x6000 <= tag.group <= 0x60FF:
        return "OverlayData"
    if tag.element == 0:  # retired group lengths
        return ""
    keyword = keyword_for_tag(tag)
    if not keyword or tag.group < 8:
        return "UnknownAttributes"
    element = _read(dataset, tag)
    if element is None:
        return keyword
    if _stays(dataset, element, identifiers, coded):
        return None
    return "" if element.is_empty else keyword


def _read(dataset: Dataset, tag: BaseTag) -> Any | None:
    """The element, or None where its value cannot be read as what it says it is."""
    try:
        return dataset[tag]
    except Exception:  # noqa: BLE001  # pydicom raises many things; the element then goes
        return None


def _values(element: Any) -> list[Any]:
    if element.is_empty:
        return []
    return list(element.value) if element.VM > 1 else [element.value]


def _stays(dataset: Dataset, element: Any, identifiers: set[str], coded: bool) -> bool:
    keyword, vr = element.keyword, element.VR
    # The type the standard gives the attribute counts, not the one a file claims: a comment is no code.
    if keyword in _REMOVED or vr not in dictionary_VR(element.tag).split(" or "):
        return False
    if vr == "SQ":
        return True
    if vr in _BINARY_VRS:
        return keyword in _KEPT_BINARY
    if vr == "DA":
        return all(_is_date(value) for value in _values(element))
    if vr == "TM":
        return _time_moves(dataset, element)
    if vr == "DT":
        return all((m := _DATE_TIME.fullmatch(str(value))) and _is_date(m[1]) for value in _values(element))
    if not all(_well_formed(vr, value) for value in _values(element)):
        return False
    if vr == "UI":
        # dicognito leaves class UIDs alone, so only those of the standard may pass.
        return not keyword.endswith("ClassUID") or all(UID(str(value)).type for value in _values(element))
    if vr in _NUMBER_VRS:
        return True
    if vr in _TEXT_VRS and (keyword not in _KEPT_TEXT or (keyword in _CODE_TEXT and not coded)):
        return False
    return keyword in _EXEMPT or not any(
        identifier in str(value).casefold() for value in _values(element) for identifier in identifiers
    )


def _well_formed(vr: str, value: object) -> bool:
    if vr in ("AS", "CS", "DS", "IS", "LO", "SH", "UI"):
        try:
            validate_value(vr, str(value), config.RAISE)
        except ValueError:
            return False
    return True


def _is_date(value: object) -> bool:
    text = str(value)
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _time_moves(dataset: Dataset, element: Any) -> bool:
    """Whether a time of day has its date beside it: dicognito moves the two together, a lone time not at all."""
    day = dataset.get(element.keyword.replace("Time", "Date"), None)
    days = [day] if isinstance(day, str) else list(day or [])
    times = _values(element)
    return (
        len(days) == len(times)
        and all(_is_date(value) for value in days)
        and all(_TIME.fullmatch(str(value)) for value in times)
    )


def _exchange(header: Dataset, report: set[Removed]) -> None:
    """Give UIDs, identifiers and dates other values, the same original always the same other within the file."""
    before = [(element, str(element.value)) for _, element in _walk(header) if element.VR != "SQ"]
    for dataset, element in list(_walk(header)):
        if element.keyword == "PatientAge" and str(element.value).endswith("Y") and int(element.value[:3]) > MAX_AGE:
            dataset.PatientAge = "090Y"
    header.file_meta = FileMetaDataset()
    Anonymizer().anonymize(header)
    report |= {
        Removed(element.keyword, "replaced") for element, value in before if value and value != str(element.value)
    }
    if "PatientIdentityRemoved" in header:
        del header.PatientIdentityRemoved  # dicognito's claim; whether it is true is for a person to say
    header.DeidentificationMethod = ["VOLENS", "DICOGNITO"]
    header.LongitudinalTemporalInformationModified = "MODIFIED"
    # Attributes of type 2 must be there, if empty; viewers file an image under name and ID.
    header.PatientName = header.PatientID = header.get("PatientID") or generate_uid(None)[-12:]
    if (name := Removed("PatientName", "removed")) in report:
        report.remove(name)
        report.add(Removed("PatientName", "replaced"))
    for keyword in ("AccessionNumber", "PatientBirthDate", "ReferringPhysicianName"):
        setattr(header, keyword, "")
    if "SOPInstanceUID" not in header:
        header.SOPInstanceUID = generate_uid(None)


# ------------------------------------------------------------------------------------------------- pixels


def _check_character_sets(header: Dataset) -> None:
    """Refuse words that would be read otherwise by everybody who opens the file (PS3.3 C.12.1.1.2)."""
    for _, element in _walk(header):
        if element.keyword == "SpecificCharacterSet":
            named = element.value if isinstance(element.value, MultiValue) else [element.value or ""]
            if any(str(name) not in python_encoding for name in named):
                raise InvalidFile("The DICOM file names a character set that does not exist; export it again.")


def _check_image(header: Dataset) -> None:
    sop_class = UID(str(header.get("SOPClassUID", "")))
    if sop_class.type != "SOP Class" or "Storage" not in sop_class.name:
        raise InvalidFile("The DICOM file is not an image of a kind the standard knows.")
    for group in range(0x6000, 0x6020, 2):
        # Until 2004 an overlay could hide in unused bits of the pixels, where only its geometry betrays it.
        if (group, 0x0010) in header and (group, 0x3000) not in header:
            raise InvalidFile("The DICOM file keeps an overlay inside its pixels; export it without overlays.")


def _pixel_size(header: Dataset, limits: Limits) -> int:
    """Bytes of the uncompressed pixels, from the header alone."""
    frames = header.get("NumberOfFrames", 1)
    rows, columns, samples, bits = (
        header.get(keyword) for keyword in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    )
    if not (
        all(isinstance(value, int) and value > 0 for value in (frames, rows, columns))
        and samples in (1, 3)
        and bits in (1, 8, 16, 32)
        and header.get("PhotometricInterpretation") in _PHOTOMETRIC
    ):
        raise InvalidFile("The DICOM file does not describe its pixels in a way that is supported.")
    if rows * columns * samples * frames * bits > 8 * limits.data:
        raise InvalidFile(f"The DICOM image is larger than {limits.data} bytes when decoded.")
    size: int = get_expected_length(header)
    return size


def _raw_pixels(body: bytes, at: int, syntax: str, report: set[Removed]) -> Any:
    implicit, little = _encoding(syntax)
    stream = io.BytesIO(body)
    stream.seek(at)
    found = read_dataset(stream, implicit, little, stop_when=lambda tag, _vr, _length: tag > _PIXELS)
    raw: Any = found.get_item(_PIXELS) if _PIXELS in found else None
    if raw is None or raw.value is None:
        raise InvalidFile("The DICOM file holds no image, or is cut short.")
    if body[stream.tell() :].strip(b"\0"):
        report.add(Removed("DataAfterPixels", "removed"))
    return raw


def _take_pixels(header: Dataset, raw: Any, syntax: str, size: int, report: set[Removed]) -> None:
    encapsulated = raw.length == 0xFFFFFFFF
    if encapsulated == (syntax in _NATIVE):
        raise InvalidFile("The DICOM file's pixels are not encoded as it says.")
    if encapsulated:
        frames = list(generate_frames(raw.value, number_of_frames=int(header.get("NumberOfFrames", 1))))
        if len(frames) != header.get("NumberOfFrames", 1):
            raise InvalidFile("The DICOM file does not hold as many frames as it says.")
        bare = [_bare_frame(frame, syntax) for frame in frames]
        if any(len(new) < len(old.rstrip(b"\0")) for new, old in zip(bare, frames, strict=True)):
            report.add(Removed("CompressedFrameMetadata", "removed"))
        header.add_new(_PIXELS, "OB", encapsulate(bare))
        header[_PIXELS].is_undefined_length = True
        return
    if len(raw.value) < size:
        raise InvalidFile("The DICOM file is cut short: there are fewer pixels than it says.")
    if raw.value[size:].strip(b"\0"):
        report.add(Removed("DataAfterPixels", "removed"))
    header.add_new(_PIXELS, raw.VR or "OW", raw.value[:size] + b"\0" * (size % 2))


def _bare_frame(frame: bytes, syntax: str) -> bytes:
    if syntax in _JPEG:
        return _bare_jpeg(frame)
    if syntax in _JPEG_2000:
        return _bare_jpeg_2000(frame)
    return frame


def _bare_jpeg(frame: bytes) -> bytes:
    """A JPEG or JPEG-LS stream without comments and application data, and without what follows its end."""
    if not frame.startswith(b"\xff\xd8"):
        raise InvalidFile("A frame of the DICOM file is not the JPEG it should be.")
    kept = [b"\xff\xd8"]
    at = 2
    while True:
        while frame[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if frame[at : at + 2] == b"\xff\xd9":
            return b"".join([*kept, b"\xff\xd9"])
        segment = _segment(frame, at)
        at += len(segment)
        if not _is_metadata(segment):
            kept.append(segment)
        if segment[1] == 0xDA:
            end = _MARKER.search(frame, at)
            if end is None:
                raise InvalidFile("A frame of the DICOM file is cut short.")
            kept.append(frame[at : end.start()])
            at = end.start()


def _bare_jpeg_2000(frame: bytes) -> bytes:
    """A JPEG 2000 codestream without the comments of its main header (ISO/IEC 15444-1, annex A)."""
    if not frame.startswith(b"\xff\x4f\xff\x51"):
        raise InvalidFile("A frame of the DICOM file is not the JPEG 2000 codestream it should be.")
    kept = [frame[:2]]
    at = 2
    while frame[at : at + 2] != b"\xff\x90":
        segment = _segment(frame, at)
        at += len(segment)
        if segment[1] != 0x64:
            kept.append(segment)
    return b"".join([*kept, frame[at:]])


def _segment(frame: bytes, at: int) -> bytes:
    length = int.from_bytes(frame[at + 2 : at + 4])
    if frame[at : at + 1] != b"\xff" or length < 2 or at + 2 + length > len(frame):
        raise InvalidFile("A frame of the DICOM file is cut short.")
    return frame[at : at + 2 + length]


def _is_metadata(segment: bytes) -> bool:
    match segment[1]:
        case 0xFE:
            return True
        case 0xE0:  # JFIF without a thumbnail says how to read the colours
            return not (segment[4:9] == b"JFIF\0" and len(segment) == 18)
        case 0xE8:  # so does HP's colour transform in JPEG-LS
            return not (segment[4:8] == b"mrfx" and len(segment) <= 12)
        case 0xEE:  # and Adobe's marker
            return not (segment[4:9] == b"Adobe" and len(segment) == 16)
        case marker:
            return 0xE0 <= marker <= 0xEF


# ------------------------------------------------------------------------------------------- the new file


def _warnings(header: Dataset) -> list[str]:
    said = []
    if header.get("BurnedInAnnotation") != "NO":
        said.append(_BURNED_IN_SAID if header.get("BurnedInAnnotation") == "YES" else _BURNED_IN)
    if header.get("Modality") in ("CT", "MR", "PT") and header.get("RecognizableVisualFeatures") != "NO":
        said.append(_FACE)
    kept = [label for keyword, label in _CHARACTERISTICS.items() if keyword in header and not header[keyword].is_empty]
    if kept:
        said.append(f"The patient's {', '.join(kept)} stay in the file; decide whether they single her out.")
    return said


def _write(header: Dataset, syntax: str) -> bytes:
    implicit, little = _encoding(syntax)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = header.SOPClassUID
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.TransferSyntaxUID = UID(syntax)
    header.file_meta = meta
    header.preamble = b"\0" * 128  # files that are two kinds at once hide the other one here
    output = io.BytesIO()
    dcmwrite(output, header, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return output.getvalue()
