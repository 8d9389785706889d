"""What identifies goes, what matters stays, and hostile files end in one sentence.

The DICOM files are real ones that come with pydicom.
"""

import io
import struct
import warnings
import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundImageStorage,
)

from ledger import deidentify as package
from ledger.deidentify import Limits, Removed, deidentify
from ledger.errors import InvalidFile


def real(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of the files are odd on purpose
        return Path(get_testdata_file(name, download=False)).read_bytes()


def read(data):
    return pydicom.dcmread(io.BytesIO(data))


def cleaned_or_refused(data):
    """The result, or None for a clean refusal. Any other exception, or one that drags the file along, fails."""
    try:
        return deidentify("a", data)
    except InvalidFile as error:
        if error.__cause__ or error.__context__:
            pytest.fail("the error carries that of the parser")


def what(found):
    return {entry.what for entry in found.removed}


CT = real("CT_small.dcm")
CLEAN_CT = deidentify("CT_small.dcm", CT)


# ================================================================================================= DICOM


def test_a_real_file_loses_its_patient():
    before, after = read(CT), read(CLEAN_CT.data)
    name = str(before.PatientName)
    assert name == "CompressedSamples^CT1"
    gone = [
        name,
        *name.split("^"),
        before.PatientID,
        before.InstitutionName,
        before.StationName,
        "CLUNIE1",
        "GEMS_IDEN",
    ]
    gone += [before.SOPInstanceUID, before.StudyInstanceUID, "ABCD1234", before.StudyDate, before.ImageComments]
    for value in gone:
        assert value.encode() in CT
        assert value.encode().lower() not in CLEAN_CT.data.lower(), value
    assert before.PatientID not in [after.PatientID, after.PatientName, after.StudyID]
    assert CLEAN_CT.media_type == "application/dicom"
    assert not [element for element in after.iterall() if element.tag.is_private]


def test_a_real_file_keeps_its_picture():
    before, after = read(CT), read(CLEAN_CT.data)
    assert after.PixelData == before.PixelData
    for keyword in (
        "Rows",
        "Columns",
        "PixelSpacing",
        "RescaleIntercept",
        "SliceThickness",
        "KVP",
        "Modality",
        "ImageType",
    ):
        assert after[keyword].value == before[keyword].value
    assert after.SOPClassUID == before.SOPClassUID == after.file_meta.MediaStorageSOPClassUID
    assert after.SOPInstanceUID == after.file_meta.MediaStorageSOPInstanceUID != before.SOPInstanceUID


def test_the_report_names_attributes_and_never_values():
    assert {
        Removed("InstitutionName", "removed"), Removed("PatientName", "replaced"), Removed("PatientID", "replaced"),
        Removed("StudyDate", "replaced"), Removed("SOPInstanceUID", "replaced"), Removed("ImageComments", "removed"),
        Removed("PrivateAttributes", "removed"), Removed("StudyDescription", "removed"),
        Removed("OtherPatientIDsSequence", "removed"), Removed("DataAfterPixels", "removed"),
    } <= set(CLEAN_CT.removed)  # fmt: skip
    assert list(CLEAN_CT.removed) == sorted(set(CLEAN_CT.removed))
    said = repr(CLEAN_CT.removed) + repr(CLEAN_CT.warnings)
    for element in read(CT).iterall():
        if element.VR in ("PN", "DA", "LO", "UI") and element.value and len(str(element.value)) > 4:
            assert str(element.value) not in said
    # what was empty is not reported as removed
    assert not what(CLEAN_CT) & {
        "ReferringPhysicianName",
        "AccessionNumber",
        "PatientBirthDate",
        "AdditionalPatientHistory",
    }


def test_every_run_draws_other_values():
    once, again = read(CLEAN_CT.data), read(deidentify("a.dcm", CT).data)
    assert once.StudyInstanceUID != again.StudyInstanceUID
    assert once.PatientID != again.PatientID


def test_dates_move_together():
    before, after = read(CT), read(CLEAN_CT.data)

    def moment(dataset, kind):
        return pydicom.valuerep.DT(dataset[f"{kind}Date"].value + dataset[f"{kind}Time"].value)

    shifts = {moment(before, kind) - moment(after, kind) for kind in ("Study", "Series", "Acquisition", "Content")}
    assert len(shifts) == 1
    assert 60 < shifts.pop().days < 740


def make(change=None, *, syntax=ExplicitVRLittleEndian, pixels=None, preamble=b"\0" * 128, **attributes):
    """A small valid ultrasound image in which a test breaks or adds one thing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tests write values the standard forbids
        return _make(change, syntax, pixels, preamble, attributes)


def _make(change, syntax, pixels, preamble, attributes):
    dataset = Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = UltrasoundImageStorage
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.Modality = "US"
    dataset.PatientName = "Müllerová^Žofie"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientID = "H-0815"
    dataset.Rows = dataset.Columns = 4
    dataset.SamplesPerPixel = 1
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = bytes(range(16)) if pixels is None else pixels
    dataset["PixelData"].VR = "OB"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    if change:
        change(dataset)
    dataset.preamble = preamble
    output = io.BytesIO()
    pydicom.dcmwrite(output, dataset, enforce_file_format=True)
    return output.getvalue()


PERSONAL = {
    "AccessionNumber": "ACC-99812", "PatientBirthDate": "19611224", "PatientAddress": "Gasse 7, Wien",
    "PatientTelephoneNumbers": "+43 1 99887766", "OtherPatientIDs": ["OLD-4711", "OLD-4712"],
    "ReferringPhysicianName": "Overseer^Ann", "PerformingPhysicianName": "Scanman^Bob",
    "OperatorsName": "Nightowl^Cy",
    "NameOfPhysiciansReadingStudy": "Reader^Dee", "InstitutionAddress": "Ringstrasse 1",
    "InstitutionName": "St Elsewhere",
    "InstitutionalDepartmentName": "Ward Nine", "StationName": "SCANNER7", "DeviceSerialNumber": "SN-778899",
    "StudyDescription": "for Mr Smith", "SeriesDescription": "call 555", "PatientComments": "is the mayor",
    "ImageComments": "see letter", "RequestedProcedureDescription": "knee of mayor", "ProtocolName": "mayor protocol",
    "AdditionalPatientHistory": "fell off the town hall", "MedicalAlerts": "rare thing", "EthnicGroup": "Sorbian",
    "Occupation": "mayor", "MilitaryRank": "colonel", "CountryOfResidence": "Liechtenstein",
    "PatientMotherBirthName": "Roe^M",
    "RequestingPhysician": "Asker^E", "CurrentPatientLocation": "Room 12", "AdmissionID": "ADM-55",
    "DetectorID": "DET-66",
    "PlateID": "PLT-77", "PerformedStationName": "STN-88", "IssuerOfPatientID": "Hospital trust",
    "TextComments": "hello",
    "PatientReligiousPreference": "pastafarian", "ResponsiblePerson": "Parent^F", "ClinicalTrialSubjectID": "CT-12345",
    "DerivationDescription": "made by Zoe", "RetrieveURL": "https://pacs.example/12345",
    "ContentCreatorName": "Zoe^Zed",
    "InterpretationText": "not well", "LastMenstrualDate": "20200101", "SmokingStatus": "YES",
}  # fmt: skip


def test_personal_attributes_go():
    data = make(**PERSONAL)
    found = deidentify("us.dcm", data)
    after = read(found.data)
    for keyword, value in PERSONAL.items():
        assert keyword in what(found), keyword
        assert not after.get(keyword), keyword
        for text in [value] if isinstance(value, str) else value:
            assert text.encode() in data
            if len(text) > 3:
                assert text.encode() not in found.data, keyword
    for part in ("Müllerová", "Žofie", "H-0815"):
        assert part.encode() in data
        assert part.encode() not in found.data
    assert after.PatientName == after.PatientID != ""


def test_personal_attributes_go_at_every_depth():
    def nest(dataset):
        inner = Dataset()
        inner.PatientName = "Deep^Throat"
        inner.InstitutionName = "St Deeper"
        inner.add_new(0x00091010, "LO", "private and deep")
        inner.add_new(0x00090010, "LO", "ACME")
        inner.ReferencedSOPInstanceUID = "1.2.3.4"
        inner.AcquisitionDate = "20200101"
        middle = Dataset()
        middle.SourceImageSequence = [inner]
        dataset.SharedFunctionalGroupsSequence = [middle]

    found = deidentify("us.dcm", make(nest))
    after = read(found.data)
    kept = after.SharedFunctionalGroupsSequence[0].SourceImageSequence[0]
    assert {element.keyword for element in kept} == {"ReferencedSOPInstanceUID", "AcquisitionDate"}
    assert kept.ReferencedSOPInstanceUID == after.SOPInstanceUID, "the same UID becomes the same other one"
    assert kept.AcquisitionDate != "20200101"
    for text in (b"Throat", b"Deeper", b"private", b"ACME"):
        assert text not in found.data


def test_private_unknown_curves_overlays_and_icons_go():
    def add(dataset):
        dataset.add_new(0x00110010, "LO", "ACME")
        dataset.add_new(0x00111001, "LO", "John Private")
        dataset.add_new(0x0008FFFE, "LO", "John Unknown")
        dataset.add_new(0x50000005, "US", 2)
        dataset.add_new(0x50003000, "OW", b"John Curve")
        dataset.add_new("ICCProfile", "OB", b"John Profile")
        dataset.add_new(0x60000010, "US", 4)
        dataset.add_new(0x60003000, "OW", b"John Overlay")
        icon = Dataset()
        icon.BitsAllocated = 8
        icon.PixelData = b"John Icon!"
        dataset.IconImageSequence = [icon]

    found = deidentify("us.dcm", make(add))
    assert b"John" not in found.data
    assert not {element.tag.group for element in read(found.data)} & {0x0011, 0x5000, 0x6000}
    assert {
        "ICCProfile",
        "PrivateAttributes",
        "UnknownAttributes",
        "CurveData",
        "OverlayData",
        "IconImageSequence",
    } <= what(found)


def test_an_identifier_that_is_repeated_elsewhere_goes_too():
    data = make(
        PatientName="Waldemar^Q", BodyPartExamined="WALDEMAR KNEE", Manufacturer="made for waldemar", FilterType="WEDGE"
    )
    found = deidentify("us.dcm", data)
    assert b"waldemar" not in found.data.lower()
    assert {"BodyPartExamined", "Manufacturer"} <= what(found)
    assert read(found.data).FilterType == "WEDGE"


def test_the_type_the_standard_gives_counts_not_the_one_claimed():
    def lie(dataset):
        dataset.add_new("PatientComments", "CS", "THE MAYOR")
        dataset.add_new("ImageComments", "DS", "1965")

    found = deidentify("us.dcm", make(lie))
    assert b"MAYOR" not in found.data
    assert {"PatientComments", "ImageComments"} <= what(found)


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("KVP", "DS", b"John 120"),
        ("SeriesNumber", "IS", b"4711a"),
        ("BodyPartExamined", "CS", b"knee of John"),
        ("AcquisitionDate", "DA", b"born1961"),
        ("AcquisitionDate", "DA", b"20201345"),
        ("AcquisitionDateTime", "DT", b"2020 by John"),
        ("AcquisitionTime", "TM", b"1200John"),
        ("AcquisitionTime", "TM", b"120000.125"),
        ("PatientAge", "AS", b"John"),
        ("FrameOfReferenceUID", "UI", b"1.2.John"),
        ("ReferencedSOPClassUID", "UI", b"1.2.3.4711"),
    ],
)
def test_values_that_are_not_what_they_say_go(keyword, vr, value):
    def add(dataset):
        tag = pydicom.tag.Tag(keyword)
        value_even = value + b" " * (len(value) % 2)
        dataset[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(value_even), value_even, 0, False, True)

    data = make(add)
    assert value in data
    found = deidentify("us.dcm", data)
    assert keyword in what(found)
    assert value not in found.data


def test_a_time_with_its_date_stays():
    found = deidentify("us.dcm", make(AcquisitionDate="20200301", AcquisitionTime="120000"))
    after = read(found.data)
    assert len(after.AcquisitionTime) == 6
    assert after.AcquisitionDate < "20200101"


def test_codes_stay_if_anybody_can_look_them_up():
    def add(dataset):
        dataset.AnatomicRegionSequence = [Dataset(), Dataset()]
        for item, scheme in zip(dataset.AnatomicRegionSequence, ("SCT", "99STELSEWHERE"), strict=True):
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "72696002", scheme, "Knee region"

    public, own = read(deidentify("us.dcm", make(add)).data).AnatomicRegionSequence
    assert public.CodeMeaning == "Knee region"
    assert len(own) == 0


def test_very_old_patients_are_only_old():
    assert read(deidentify("us.dcm", make(PatientAge="097Y")).data).PatientAge == "090Y"
    assert read(deidentify("us.dcm", make(PatientAge="041Y")).data).PatientAge == "041Y"


def test_the_preamble_and_what_follows_the_pixels_go():
    data = make(preamble=b"John's hidden TIFF".ljust(128), DataSetTrailingPadding=b"John after")
    found = deidentify("us.dcm", data)
    assert b"John" in data
    assert b"John" not in found.data
    assert found.data[:128] == bytes(128)
    assert "DataAfterPixels" in what(found)
    found = deidentify("us.dcm", make(pixels=bytes(16) + b"John beside"[:10]))
    assert b"John" not in found.data
    assert "DataAfterPixels" in what(found)


def test_burned_in_text_is_warned_of():
    def said(**attributes):
        return " ".join(deidentify("us.dcm", make(**attributes)).warnings)

    assert "Text may be part of the picture" in said()
    assert "says that text is burned" in said(BurnedInAnnotation="YES")
    assert "ext" not in said(BurnedInAnnotation="NO")
    assert "face" in said(Modality="CT")
    assert "face" not in said(Modality="CT", RecognizableVisualFeatures="NO")
    assert "sex, age" in said(PatientSex="F", PatientAge="041Y")


def test_anonymity_is_not_claimed():
    after = read(deidentify("us.dcm", make(BurnedInAnnotation="NO", PatientIdentityRemoved="YES")).data)
    assert "PatientIdentityRemoved" not in after
    assert list(after.DeidentificationMethod) == ["VOLENS", "DICOGNITO"]
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"


def jpeg_frame(**options):
    output = io.BytesIO()
    Image.linear_gradient("L").resize((4, 4)).save(output, "JPEG", **options)
    return output.getvalue()


def jpeg_dicom(*frames, **attributes):
    def compress(dataset):
        dataset.PixelData = encapsulate(list(frames))
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True

    return make(compress, syntax=JPEGBaseline8Bit, **attributes)


def test_compressed_frames_lose_what_they_carry_besides():
    frame = jpeg_frame(comment=b"John's knee", exif=b"Exif\0\0John's camera") + b"John after the end"
    found = deidentify("us.dcm", jpeg_dicom(frame, jpeg_frame(), NumberOfFrames=2))
    assert b"John" not in found.data
    assert "CompressedFrameMetadata" in what(found)
    after = list(generate_frames(read(found.data).PixelData, number_of_frames=2))
    for kept in after:
        with Image.open(io.BytesIO(kept)) as image, Image.open(io.BytesIO(jpeg_frame())) as expected:
            assert image.tobytes() == expected.tobytes()


def test_jpeg_2000_frames_lose_their_comments():
    data = real("examples_jpeg2k.dcm")
    before = next(generate_frames(read(data).PixelData, number_of_frames=1))
    assert b"\xff\x64" in before[:200]
    after = next(generate_frames(read(deidentify("a.dcm", data).data).PixelData, number_of_frames=1))
    assert b"\xff\x64" not in after[:200]
    with Image.open(io.BytesIO(before)) as one, Image.open(io.BytesIO(after)) as two:
        assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (b"MZ is no jpeg!", "not the JPEG"),
        (b"MZ" + jpeg_frame()[2:], "not the JPEG"),
        (jpeg_frame()[:-40], "frame of the DICOM file is cut short"),
        (jpeg_frame()[:100], "frame of the DICOM file is cut short"),
        (b"\xff\xd8\xff\xe1\0\1", "frame of the DICOM file is cut short"),
        (b"\xff\xd8\xff\xda\0\4", "frame of the DICOM file is cut short"),
        (b"\xff\xd8\xff\xda\0\2\1\1", "frame of the DICOM file is cut short"),
    ],
)
def test_broken_frames_are_refused(frame, problem):
    with pytest.raises(InvalidFile, match=problem):
        deidentify("us.dcm", jpeg_dicom(frame))


def test_pixels_in_another_encoding_than_declared_are_refused():
    native, jpeg = ExplicitVRLittleEndian.encode() + b"\0", JPEGBaseline8Bit.encode()
    for data, there, instead in ((make(), native, jpeg), (jpeg_dicom(jpeg_frame()), jpeg, native)):
        end = 144 + int.from_bytes(data[140:144], "little")
        field = b"UI" + struct.pack("<H", len(there)) + there
        meta = data[144:end].replace(field, b"UI" + struct.pack("<H", len(instead)) + instead)
        assert meta != data[144:end]
        with pytest.raises(InvalidFile, match="not encoded as it says"):
            deidentify("a.dcm", data[:140] + struct.pack("<I", len(meta)) + meta + data[end:])


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_expb.dcm", "MR_small_padded.dcm",
     "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_ybr_full_422_uncompressed.dcm", "image_dfl.dcm",
     "examples_overlay.dcm", "liver_1frame.dcm", "rtdose_rle.dcm", "SC_rgb_rle_2frame.dcm", "examples_palette.dcm"],
)  # fmt: skip
def test_real_files_of_many_kinds(name):
    data = real(name)
    found = deidentify(name, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = read(data), read(found.data)
        if before.file_meta.TransferSyntaxUID.is_compressed and not before.file_meta.TransferSyntaxUID.is_deflated:
            frames = int(before.get("NumberOfFrames", 1))
            for one, two in zip(
                generate_frames(before.PixelData, number_of_frames=frames),
                generate_frames(after.PixelData, number_of_frames=frames),
                strict=True,
            ):
                assert len(two) <= len(one) + 1
        else:
            assert before.PixelData.startswith(after.PixelData.rstrip(b"\0"))
        for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "SOPInstanceUID", "InstitutionName"):
            value = str(before.get(keyword, ""))
            assert len(value) < 8 or value.encode() not in found.data  # shorter ones occur by chance
        assert not [element for element in after.iterall() if element.tag.is_private]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (lambda: real("MR_truncated.dcm"), "fewer pixels"),
        (lambda: real("rtplan.dcm"), "no image"),
        (lambda: real("DICOMDIR"), "no image"),
        (lambda: real("GDCMJ2K_TextGBR.dcm"), "not the JPEG 2000"),
        (lambda: make(SOPClassUID=EncapsulatedPDFStorage, pixels=b""), "no image|fewer|cut short"),
        (lambda: make(SOPClassUID="1.2.3.4.5"), "not an image of a kind"),
        (lambda: make(Rows=0), "does not describe"),
        (lambda: make(SamplesPerPixel=7), "does not describe"),
        (lambda: make(BitsAllocated=12), "does not describe"),
        (lambda: make(PhotometricInterpretation="HSV"), "does not describe"),
        (lambda: make(NumberOfFrames=0), "does not describe"),
        (lambda: make(Rows=65535, Columns=65535), "larger than"),
        (lambda: make(NumberOfFrames=2_000_000_000), "larger than"),
        (lambda: make(NumberOfFrames=2), "fewer pixels"),
        (lambda: jpeg_dicom(jpeg_frame(), Rows=65535, Columns=65535), "larger than"),
        (lambda: jpeg_dicom(jpeg_frame(), NumberOfFrames=2), "DICOM"),
        (lambda: make(lambda d: d.add_new(0x60000010, "US", 4)), "overlay inside its pixels"),
        (lambda: make()[:140], "meta information"),
        (lambda: make()[:200], "The DICOM file is cut short"),
        (lambda: jpeg_dicom(jpeg_frame())[:-8], "no image, or is cut short"),
        (lambda: bytes(128) + b"DICM" + b"x" * 100, "meta information"),
    ],
)
def test_what_is_no_whole_supported_image_is_refused(data, problem):
    with pytest.raises(InvalidFile, match=problem):
        deidentify("a.dcm", data())


def test_a_video_is_refused():
    data = make().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.99")
    with pytest.raises(InvalidFile, match="transfer syntax"):
        deidentify("a.dcm", data)


@settings(derandomize=True, deadline=None, max_examples=120)
@given(st.integers(0, len(make()) - 1))
def test_a_cut_dicom_file_is_refused(length):
    with pytest.raises(InvalidFile):
        deidentify("us.dcm", make()[:length])


@settings(derandomize=True, deadline=None, max_examples=120)
@given(st.data())
def test_a_cut_compressed_dicom_file_is_refused(data):
    whole = jpeg_dicom(jpeg_frame(), jpeg_frame(), NumberOfFrames=2)
    with pytest.raises(InvalidFile):
        deidentify("us.dcm", whole[: data.draw(st.integers(0, len(whole) - 9))])


@pytest.mark.parametrize("name", [b"SO_IR 100 ", b"ISO-IR 100", b"\\ISO_IR 99"])
def test_a_character_set_that_does_not_exist_is_refused(name):
    """Whoever opens the file would read other words than the hospital did."""
    assert CT.count(b"ISO_IR 100") == 1
    with pytest.raises(InvalidFile, match="character set"):
        deidentify("ct.dcm", CT.replace(b"ISO_IR 100", name))


@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_dicom_files_only_raise_invalid_file(data):
    content = bytearray(data.draw(st.sampled_from([make(**PERSONAL), CT, jpeg_dicom(jpeg_frame())])))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(128, min(len(content), 3000) - 1))] = data.draw(st.integers(0, 255))
    if found := cleaned_or_refused(bytes(content)):
        assert read(found.data).PixelData


def deflated(body):
    data = make(syntax=ExplicitVRLittleEndian)
    end = 144 + int.from_bytes(data[140:144], "little")
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    uid, deflate = ExplicitVRLittleEndian.encode() + b"\0", DeflatedExplicitVRLittleEndian.encode()
    meta = data[:end].replace(b"UI" + struct.pack("<H", len(uid)) + uid, b"UI" + struct.pack("<H", 22) + deflate)
    meta = meta[:140] + struct.pack("<I", len(meta) - 144) + meta[144:]
    return meta + squeezer.compress(body(data[end:])) + squeezer.flush()


def test_deflated_files_are_inflated_within_limits():
    assert read(deidentify("a.dcm", deflated(lambda body: body)).data).PixelData == bytes(range(16))
    bomb = deflated(lambda body: body + bytes(3_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(InvalidFile, match="when inflated"):
        deidentify("a.dcm", bomb, Limits(data=1_000_000))
    with pytest.raises(InvalidFile, match=r"The DICOM file is cut short\.$"):
        deidentify("a.dcm", deflated(lambda body: body)[:-5])


def test_a_huge_header_is_refused():
    data = make(ImageComments="x" * 9000)
    with pytest.raises(InvalidFile, match="header of the DICOM file is too large"):
        deidentify("a.dcm", data, Limits(dicom_header=5000))
    assert deidentify("a.dcm", data)


def test_a_header_of_countless_elements_is_refused(monkeypatch):
    from ledger.deidentify import dicom

    def many(dataset):
        dataset.SourceImageSequence = [Dataset() for _ in range(50)]
        for item in dataset.SourceImageSequence:
            item.InstanceNumber = 1

    assert deidentify("a.dcm", make(many))
    monkeypatch.setattr(dicom, "MAX_ELEMENTS", 40)
    with pytest.raises(InvalidFile, match="header of the DICOM file is too large"):
        deidentify("a.dcm", make(many))
    monkeypatch.undo()
    monkeypatch.setattr(dicom, "MAX_READS", 10)
    with pytest.raises(InvalidFile, match="header of the DICOM file is too large"):
        deidentify("a.dcm", make(many))


def test_deep_nesting_is_refused():
    item, delimiter = b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\x08\x00\x12\x21SQ\0\0\xff\xff\xff\xff"
    data = make()
    end = 144 + int.from_bytes(data[140:144], "little")
    with pytest.raises(InvalidFile):
        deidentify("a.dcm", data[:end] + (delimiter + item) * 5_000)


# ============================================================================================== pictures


def picture(mode="RGB", size=(8, 6)):
    image = Image.new(mode, size)
    image.putdata([(x * 30 % 256, y * 40 % 256, 128)[: len(mode)] if len(mode) > 1 else x * 30 % 256
                   for y in range(size[1]) for x in range(size[0])])  # fmt: skip
    return image


def saved(image, kind, **options):
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def exif():
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0132] = "CanaryMake", "CanaryModel", "2020:01:01 00:00:00"
    tags[0x013B], tags[0x010E], tags[0x0131] = "CanaryArtist", "CanaryDescription", "CanarySoftware"
    tags.get_ifd(0x8769)[0xA431] = "CanarySerial"
    tags.get_ifd(0x8769)[0x9286] = b"CanaryComment"
    gps = tags.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", (48.0, 12.0, 30.0), "CanaryDate"
    return tags


XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>CanaryXmp</x:xmpmeta>"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def laden_jpeg(**options):
    data = saved(picture(), "JPEG", exif=exif(), xmp=XMP, icc_profile=ICC, comment=b"CanaryComment", **options)
    iptc = b"Photoshop 3.0\0CanaryIptc"
    other = b"CanaryVendor"
    segments = b"".join(b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body
                        for marker, body in ((0xED, iptc), (0xE7, other)))  # fmt: skip
    return data[:2] + segments + data[2:] + b"CanaryTrailer"


def test_jpeg_metadata_goes_and_is_named():
    data = laden_jpeg()
    assert data.count(b"Canary") >= 10
    found = deidentify("photo.jpg", data)
    assert found.media_type == "image/jpeg"
    assert b"Canary" not in found.data
    assert what(found) >= {
        "EXIF", "EXIF GPS position", "EXIF camera make and model", "EXIF dates", "EXIF author", "EXIF description",
        "EXIF serial numbers", "EXIF software", "XMP", "ICC profile (converted to sRGB)", "comment",
        "IPTC or Photoshop data", "other application data", "data after the picture",
    }  # fmt: skip
    assert "Canary" not in repr(found.removed) + repr(found.warnings)
    markers = [found.data[at + 1] for at in (2,)]
    assert markers == [0xE0]
    with Image.open(io.BytesIO(found.data)) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert image.size == (8, 6)
        assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1), "colour at full resolution"


def test_an_embedded_thumbnail_goes():
    def directory(tag, following):
        return struct.pack(">HHHII", 1, tag, 4, 1, 6) + struct.pack(">I", following)

    body = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + directory(0x0100, 26) + directory(0x0201, 0)
    assert "embedded thumbnail" in what(deidentify("a.jpg", saved(picture(), "JPEG", exif=body)))
    jfif = b"\xff\xd8\xff\xe0\0\x13JFIF\0\1\1\0\0\1\0\1\1\1abc"
    found = deidentify("a.jpg", jfif + saved(picture(), "JPEG")[20:])
    assert "embedded thumbnail" in what(found)


def test_a_plain_jpeg_has_nothing_removed():
    found = deidentify("a.jpeg", saved(picture(), "JPEG"))
    assert found.removed == ()
    assert any("faces" in warning for warning in found.warnings)


def test_pixels_stay_as_they_were():
    source = saved(Image.linear_gradient("L").convert("RGB"), "JPEG", quality=98, subsampling=0)
    with Image.open(io.BytesIO(source)) as before, Image.open(io.BytesIO(deidentify("a.jpg", source).data)) as after:
        differences = [abs(a - b) for a, b in zip(before.tobytes(), after.tobytes(), strict=True)]
    assert max(differences) <= 4
    source = saved(picture(), "PNG")
    with Image.open(io.BytesIO(deidentify("a.png", source).data)) as after:
        assert after.tobytes() == picture().tobytes()


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (7, 5)), (6, (5, 0)), (8, (0, 7))])
def test_pictures_stand_upright_without_exif(orientation, corner):
    image = Image.new("RGB", (8, 6))
    image.putpixel((0, 0), (255, 255, 255))
    tags = Image.Exif()
    tags[0x0112] = orientation
    found = deidentify("a.png", saved(image, "PNG", exif=tags))
    with Image.open(io.BytesIO(found.data)) as upright:
        assert upright.size == ((8, 6) if orientation < 5 else (6, 8))
        assert upright.getpixel(corner) == (255, 255, 255)
        assert not upright.getexif()
    assert "EXIF orientation (applied)" in what(found)


def test_png_metadata_goes_and_is_named():
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "CanaryAuthor")
    text.add_itxt("XML:com.adobe.xmp", "CanaryXmp")
    text.add(b"tIME", b"\x07\xe4\1\1\0\0\0")
    text.add(b"caNa", b"CanaryChunk")
    data = saved(picture(), "PNG", pnginfo=text, icc_profile=ICC, exif=exif(), dpi=(300, 300)) + b"CanaryTrailer"
    found = deidentify("photo.png", data)
    assert found.media_type == "image/png"
    assert b"Canary" not in found.data
    assert what(found) >= {
        "PNG text", "XMP", "PNG time", "other PNG data", "ICC profile (converted to sRGB)", "EXIF", "PNG resolution",
        "EXIF GPS position", "data after the picture",
    }  # fmt: skip
    chunks, at = [], 8
    while at < len(found.data):
        chunks.append(found.data[at + 4 : at + 8])
        at += 12 + int.from_bytes(found.data[at : at + 4])
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}


def test_colours_are_converted_before_the_profile_goes():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    with pytest.raises(InvalidFile, match="could not be read"):
        deidentify("a.png", saved(picture(), "PNG", icc_profile=profile))
    with pytest.raises(InvalidFile, match="could not be read"):
        deidentify("a.png", saved(picture(), "PNG", icc_profile=b"not a profile"))
    swapped = bytearray(ICC)
    red, green = swapped.index(b"rXYZ", 128), swapped.index(b"gXYZ", 128)
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    image = Image.new("RGB", (2, 2), (255, 0, 0))
    for kind, extra in (("PNG", {}), ("JPEG", {"quality": 100, "subsampling": 0})):
        found = deidentify(f"a.{kind.lower()}", saved(image, kind, icc_profile=bytes(swapped), **extra))
        with Image.open(io.BytesIO(found.data)) as after:
            red_now, green_now, _ = after.getpixel((0, 0))
            assert green_now > 200 > 60 > red_now, kind
            assert "icc_profile" not in after.info


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_stays_what_it_is(mode):
    image = Image.linear_gradient("L").resize((16, 16))
    image = Image.frombytes("I;16", (16, 8), image.tobytes()) if mode == "I;16" else image.convert(mode)
    for options in ({}, {"icc_profile": ICC}):
        with Image.open(io.BytesIO(deidentify("a.png", saved(image, "PNG", **options)).data)) as after:
            assert after.size == image.size
            if mode == "I;16":
                assert after.tobytes() == image.tobytes()
            elif mode in ("RGB", "RGBA", "L", "LA") and not options:
                assert after.mode == mode
                assert after.tobytes() == image.tobytes()
            elif mode in ("1", "P") and not options:
                assert after.convert("RGB").tobytes() == image.convert("RGB").tobytes()


def test_cmyk_jpegs_become_rgb():
    found = deidentify("a.jpg", saved(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "JPEG"))
    with Image.open(io.BytesIO(found.data)) as after:
        assert after.mode == "RGB"
        assert after.getpixel((0, 0))[0] > 200


def test_what_transparency_hides_goes():
    image = Image.new("RGBA", (2, 1), (200, 100, 50, 0))
    image.putpixel((1, 0), (1, 2, 3, 128))
    found = deidentify("a.png", saved(image, "PNG"))
    with Image.open(io.BytesIO(found.data)) as after:
        assert after.getpixel((0, 0)) == (0, 0, 0, 0)
        assert after.getpixel((1, 0)) == (1, 2, 3, 128)
    assert any("transparent" in warning for warning in found.warnings)
    assert not any("transparent" in w for w in deidentify("a.png", saved(picture(), "PNG")).warnings)


def bomb(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 5_001), (2**31 - 1, 1), (200_000, 200_000)])
def test_pixel_bombs_are_refused_before_they_are_decoded(size, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("pixels were decoded"))
    with pytest.raises(InvalidFile, match="more than 50000000 pixels"):
        deidentify("a.png", bomb(*size))


def test_the_pixel_limit_is_an_argument():
    data = saved(picture(), "PNG")
    assert deidentify("a.png", data, Limits(pixels=48))
    with pytest.raises(InvalidFile, match="more than 47 pixels"):
        deidentify("a.png", data, Limits(pixels=47))


def test_text_bombs_in_pictures_are_harmless():
    body = b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9)
    data = saved(picture(), "PNG")
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    try:
        found = deidentify("a.png", data[:33] + chunk + data[33:])
    except InvalidFile:
        return
    assert len(found.data) < 1000


def test_animations_are_refused():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    with pytest.raises(InvalidFile, match="animated"):
        deidentify("a.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))


def test_further_pictures_in_a_jpeg_go():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "MPO", save_all=True, append_images=frames[1:])
    found = deidentify("a.jpg", data)
    assert "further pictures in the file" in what(found)
    with Image.open(io.BytesIO(found.data)) as after:
        assert after.format == "JPEG"
        assert after.getpixel((0, 0))[0] > 200


def test_a_cut_picture_is_called_so():
    for name, kind in (("a.jpg", "JPEG"), ("a.png", "PNG")):
        with pytest.raises(InvalidFile, match=f"The {kind} is cut short"):
            deidentify(name, saved(picture(), kind)[:-2])


@settings(derandomize=True, deadline=None, max_examples=120)
@given(st.sampled_from([("a.jpg", laden_jpeg()[:-13]), ("a.png", saved(picture(), "PNG"))]), st.data())
def test_cut_pictures_are_refused(case, data):
    name, content = case
    with pytest.raises(InvalidFile):
        deidentify(name, content[: data.draw(st.integers(0, len(content) - 1))])


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.sampled_from([laden_jpeg(), saved(picture(), "PNG", exif=exif())]), st.data())
def test_damaged_pictures_only_raise_invalid_file(content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if found := cleaned_or_refused(bytes(damaged)):
        assert b"Canary" not in found.data


# ================================================================================================== text


def test_text_is_normalised_and_said_so():
    found = deidentify("case.md", "\ufeff# Fall\r\nZu\u0308rich\rEnde\n".encode())
    assert found.data == "# Fall\nZürich\nEnde\n".encode()
    assert found.media_type == "text/markdown"
    assert what(found) == {"byte order mark", "line ends", "Unicode form"}
    assert found.warnings == ()


def test_clean_text_is_left_as_it_is():
    body = "# A case\n\nA woman in her forties with 120/80 mmHg and 37.5 °C, seen twice in 12 weeks.\n".encode()
    for name, kind in (("case.txt", "text/plain"), ("case", "text/plain"), ("CASE.MD", "text/markdown")):
        assert deidentify(name, body) == package.Deidentified(body, kind, (), ())


@pytest.mark.parametrize("end", ["---", "..."])
def test_front_matter_goes_from_markdown(end):
    body = f"---\ntitle: Case\nauthor: Dr Canary\ntags:\n  - a\n# note\n\n{end}\n# Case\n".encode()
    found = deidentify("case.md", body)
    assert found.data == b"# Case\n"
    assert what(found) == {"YAML front matter"}
    assert deidentify("case.txt", body).data == body


@pytest.mark.parametrize(
    "body", ["---\nJust a rule, then prose.\n---\nMore\n", "---\ntitle: never closed\n", "x\n---\na: b\n---\n"]
)
def test_rules_across_the_page_are_no_front_matter(body):
    assert deidentify("case.md", body.encode()).data == body.encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("write to ann.o'neill@clinic.example.org or b@c.de", "2 e-mail addresses"),
        ("call +43 1 998 877 66 or (0316) 385-12345", "2 telephone numbers"),
        ("file 4711081", "1 long number"),
        ("born 24.12.1961, seen 2020-03-01 and 3/4/21", "3 dates"),
        ("born on 24 December 1961 or Dec 24, 1961", "2 dates"),
        ("see https://clinic.example/p/12345678", "1 web address"),
    ],
)
def test_what_looks_personal_is_counted_and_kept(text, said):
    found = deidentify("case.txt", text.encode())
    assert found.data == text.encode()
    assert any(said in warning for warning in found.warnings), found.warnings
    for token in text.split():
        assert len(token) < 6 or token not in " ".join(found.warnings)


def test_hidden_text_is_warned_of():
    found = deidentify("case.md", "a\u200bb\u202ec\n<!-- John -->\n".encode())
    assert any("invisible characters (2)" in warning for warning in found.warnings)
    assert any("comments (1)" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xff\xfeh\0i\0", "not UTF-8"),
        ("naïve".encode("latin-1"), "not UTF-8"),
        (b"a\0b", "control"),
        (b"a\x1b[2Jb", "control"),
        ("a\x85b".encode(), "control"),
        (b" \n\t\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\xed\xa0\x80", "not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(data, problem):
    with pytest.raises(InvalidFile, match=problem):
        deidentify("case.txt", data)


def test_the_text_limit_is_an_argument():
    with pytest.raises(InvalidFile, match="larger than 3 bytes"):
        deidentify("a.txt", b"abcd", Limits(text=3))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.text(max_size=300), st.sampled_from(["a.md", "a.txt"]))
def test_cleaning_text_twice_changes_nothing_more(text, name):
    try:
        once = deidentify(name, text.encode("utf-8", "replace"))
    except InvalidFile:
        return
    if name == "a.txt" or not once.data.startswith((b"---", b"\xef\xbb\xbf")):
        assert deidentify(name, once.data).data == once.data


def test_hostile_text_takes_linear_time():
    for text in (
        "1 " * 200_000,
        "a@" * 200_000,
        "---\n" + "a: b\n" * 100_000,
        "jan " * 100_000,
        "+" * 400_000,
        "1" * 400_000,
    ):
        assert deidentify("case.md", text.encode())


# ===================================================================================== which file is which


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.jpg", b"", "empty"),
        ("a.jpg", b"hello", "says JPEG but the content is not"),
        ("a.jpg", saved(picture(), "PNG"), "says JPEG but the content is PNG"),
        ("a.png", saved(picture(), "JPEG"), "says PNG but the content is JPEG"),
        ("a.dcm", saved(picture(), "JPEG"), "says DICOM but the content is JPEG"),
        ("a.DCM", b"not dicom", "says DICOM but the content is not"),
        ("a.txt", CT, "says text but the content is DICOM"),
        ("a.md", saved(picture(), "PNG"), "says text but the content is PNG"),
        ("a.gif", saved(picture(), "GIF"), "not supported; supported are DICOM"),
        ("a.tiff", saved(picture(), "TIFF"), "not supported"),
        ("a.pdf", b"%PDF-1.7", "not supported"),
        ("a.html", b"<script>alert(1)</script>", "not supported"),
        ("a.svg", b"<svg/>", "not supported"),
        ("a.zip", b"PK\3\4", "not supported"),
        ("a", b"PK\3\4\0\0", "control"),
    ],
)
def test_content_decides_and_the_name_may_not_contradict(name, data, problem):
    with pytest.raises(InvalidFile, match=problem):
        deidentify(name, data)


def test_names_without_a_known_extension_are_fine():
    assert deidentify("IM0001", CT).media_type == "application/dicom"
    assert deidentify("1.2.840.1", CT).media_type == "application/dicom"
    assert deidentify("photo", saved(picture(), "PNG")).media_type == "image/png"


def test_a_name_that_looks_personal_is_warned_of():
    found = deidentify("smith_1961-12-24_4711081.txt", b"x")
    assert found.warnings == ("The file's name seems to contain 1 date, 1 long number; rename it.",)


def test_a_binary_file_is_read_to_its_end_and_no_further_than_the_limit():
    assert deidentify("a.txt", io.BytesIO(b"hello")).data == b"hello"
    stream = io.BytesIO(b"hello, this is too much")
    for data in (stream, b"hello"):
        with pytest.raises(InvalidFile, match="larger than 4 bytes"):
            deidentify("a.txt", data, Limits(data=4))
    assert stream.tell() == 5


def test_the_error_of_a_parser_never_leaks(monkeypatch):
    from ledger.deidentify import text

    def explode(*_):
        raise ValueError("John's secret")

    monkeypatch.setattr(text, "clean_plain", explode)
    with pytest.raises(InvalidFile, match="could not be read as text") as caught:
        deidentify("a.txt", b"x")
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_parsers_do_not_warn_or_log_what_is_in_the_file(recwarn, caplog, capsys):
    data = make(StudyDate="JohnDate", PatientSex="John's sex", SOPInstanceUID="1.John")
    caplog.clear()
    deidentify("a.dcm", data)
    assert not list(recwarn)
    assert not caplog.records
    assert "John" not in "".join(capsys.readouterr())


def test_ct_storage_is_an_image():
    assert deidentify("a.dcm", make(SOPClassUID=CTImageStorage)).media_type == "application/dicom"
