"""Forms, terms and profiles: strict, bounded, and hashed the same in every language."""

import base64
import json
import re
from datetime import date

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import vocabulary
from ledger.documents import (
    MAX_DATA_URI,
    MAX_DOCUMENT,
    MAX_TERMS,
    TEMPLATES,
    ChannelTerms,
    Form,
    Profile,
    Terms,
    canonical,
    channel_terms,
    document_hash,
    load_template,
    parse_canonical,
    publication_form,
)
from ledger.errors import InvalidMessage, UnknownCode
from ledger.model import ZERO_ADDRESS, address, keccak

ISSUER = address("0x" + "5a" * 20)
HASH = "0x" + "ab" * 32
PROFILE = {"type": "VolensProfile", "version": 1, "name": "Example Journal", "kind": "journal"}
TERMS = {
    "type": "VolensTerms",
    "version": 2,
    "issuer": ISSUER,
    "channel": "social:x",
    "title": {"en": "Posts"},
    "asOf": "2026-11-23",
    "text": {"en": "Everybody can read them."},
}
FORM = {
    "type": "VolensForm",
    "version": 3,
    "issuer": ISSUER,
    "title": {"en": "Consent", "de": "Einwilligung"},
    "statements": [{"id": "seen", "text": {"en": "I have seen it.", "de": "Ich habe es gesehen."}}],
    "channels": {"social:x": {"issuer": ISSUER, "terms": HASH}},
}
KINDS = [(Form, FORM), (Terms, TERMS), (Profile, PROFILE), (Profile, PROFILE | {"website": "https://journal.example/"})]
EACH = pytest.mark.parametrize(("kind", "value"), KINDS, ids=["form", "terms", "profile", "profile with website"])


# -- canonical JSON and hashes ----------------------------------------------------------------------------------------


def test_canonical_json_is_that_of_rfc_8785():
    value = {"\u20ac": "Euro", "\r": "CR", "1": "One", "\u00f6": "ö", "a": [True, None, 1, 1.5, 1e21]}
    assert canonical(value) == '{"\\r":"CR","1":"One","a":[true,null,1,1.5,1e+21],"ö":"ö","€":"Euro"}'.encode()


@pytest.mark.parametrize(
    "value", [b"x", {1: 2}, float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {"\ud800": 1}, {"a": object()}]
)
def test_what_json_cannot_carry_exactly_is_refused(value):
    with pytest.raises(InvalidMessage, match=r"^json: "):
        canonical(value)


def test_a_value_that_is_too_deep_is_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidMessage):
        canonical(deep)
    while deep:  # taken apart by hand: the garbage collector would recurse too
        deep = deep[0]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}', b"1.0", b"1e2", b"-0", b"NaN", b"Infinity",
        b"9007199254740992", b'"\\u0041"', b"\xff", b"\xef\xbb\xbf{}", b"{}\n", b'"\\ud800"', b"[" * 5000,
        b"9" * 5000, b"1e400", b"{}" * 2,
    ],
    ids=lambda d: repr(d[:20]),
)  # fmt: skip
def test_only_canonical_bytes_are_read(data):
    with pytest.raises(InvalidMessage, match=r"^json: "):
        parse_canonical(data)


def test_reading_is_bounded():
    assert parse_canonical(b'"aa"', limit=4) == "aa"
    with pytest.raises(InvalidMessage, match="larger than 3"):
        parse_canonical(b'"aa"', limit=3)
    with pytest.raises(InvalidMessage, match="larger"):
        parse_canonical(b" " * (MAX_DOCUMENT + 1))


@EACH
def test_documents_survive_json_and_have_one_hash(kind, value):
    document = kind.from_json(value)
    assert document.to_json() == value
    assert kind.from_bytes(document.to_bytes()) == document
    expected = "0x" + keccak(rfc8785.dumps(value)).hex()
    assert document.hash == document_hash(document) == document_hash(value) == expected
    assert kind.from_json(dict(reversed(value.items()))).hash == expected


def test_a_known_hash():
    profile = Profile.from_json(PROFILE)
    assert profile.to_bytes() == b'{"kind":"journal","name":"Example Journal","type":"VolensProfile","version":1}'
    assert profile.hash == "0x" + keccak(profile.to_bytes()).hex()


# -- strictness -------------------------------------------------------------------------------------------------------


@EACH
def test_every_field_is_needed_and_no_other_allowed(kind, value):
    for name in value.keys() - kind.OPTIONAL:
        with pytest.raises(InvalidMessage) as caught:
            kind.from_json({k: v for k, v in value.items() if k != name})
        assert caught.value.field == name
    for extra in ("comment", "Type", "as_of"):
        with pytest.raises(InvalidMessage) as caught:
            kind.from_json(value | {extra: 1})
        assert caught.value.field == extra
    for other in ("VolensOther", None, "volensform"):
        with pytest.raises(InvalidMessage, match=r"^type: "):
            kind.from_json(value | {"type": other})
    for version in (0, -1, True, 1.0, "1", None, 2**53):
        with pytest.raises(InvalidMessage, match=r"^version: "):
            kind.from_json(value | {"version": version})
    for wrong in (None, [], "x", [value]):
        with pytest.raises(InvalidMessage):
            kind.from_json(wrong)


def _statement(**changes):
    return [{"id": "seen", "text": {"en": "I have seen it."}} | changes]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer": ZERO_ADDRESS}, "issuer"),
        ({"issuer": ISSUER[:-1]}, "issuer"),
        ({"title": {}}, "title"),
        ({"title": "Consent"}, "title"),
        ({"title": ["en"]}, "title"),
        ({"title": {"de": "Einwilligung"}}, "title.en"),
        ({"title": {"en": ""}}, "title.en"),
        ({"title": {"en": "t" * 501}}, "title.en"),
        ({"title": {"en": "Consent\n"}}, "title.en"),
        ({"title": {"en": "a\u202eb"}}, "title.en"),
        ({"title": {"en": "Consent", "EN": "Consent"}}, "title"),
        ({"title": {"en": "Consent", "de_DE": "x"}}, "title"),
        ({"title": {"en": "Consent", 7: "x"}}, "title"),
        ({"title": {"en": "Consent"} | {f"a{chr(97 + n % 26)}-{n:04}": "x" for n in range(64)}}, "title"),
        ({"statements": []}, "statements"),
        ({"statements": {}}, "statements"),
        ({"statements": {"id": "seen"}}, "statements"),
        ({"statements": [{"id": f"s{n}", "text": {"en": "x"}} for n in range(65)]}, "statements"),
        ({"statements": _statement() * 2}, "statements"),
        ({"statements": _statement(id="two words")}, "statements[0].id"),
        ({"statements": _statement(text={"de": "x"})}, "statements[0].text.en"),
        ({"statements": _statement(text={"en": "x" * 2001})}, "statements[0].text.en"),
        ({"statements": _statement(ticked=True)}, "statements[0].ticked"),
        ({"statements": ["I agree"]}, "statements[0]"),
        ({"statements": [{"id": "seen"}]}, "statements[0].text"),
        ({"channels": []}, "channels"),
        ({"channels": {"billboard": {"issuer": ISSUER, "terms": HASH}}}, "channels"),
        ({"channels": {7: {"issuer": ISSUER, "terms": HASH}}}, "channels"),
        ({"channels": {"journal": {"issuer": ISSUER}}}, "channels.journal.terms"),
        ({"channels": {"journal": {"issuer": ZERO_ADDRESS, "terms": HASH}}}, "channels.journal.issuer"),
        ({"channels": {"journal": {"issuer": ISSUER, "terms": "0xab"}}}, "channels.journal.terms"),
        ({"channels": {"journal": HASH}}, "channels.journal"),
    ],
)
def test_wrong_forms_name_the_field(changes, field):
    with pytest.raises(InvalidMessage) as caught:
        Form.from_json(FORM | changes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer": ZERO_ADDRESS}, "issuer"),
        ({"channel": "social:unheard-of"}, "channel"),
        ({"channel": ""}, "channel"),
        ({"title": {"en": ""}}, "title.en"),
        ({"asOf": "2026-02-30"}, "asOf"),
        ({"asOf": "2026-2-3"}, "asOf"),
        ({"asOf": "20261123"}, "asOf"),
        ({"asOf": "2026-W48-1"}, "asOf"),
        ({"asOf": "2026-11-23T00:00:00Z"}, "asOf"),
        ({"asOf": "٢٠٢٦-11-23"}, "asOf"),
        ({"asOf": 20261123}, "asOf"),
        ({"text": {"de": "x"}}, "text.en"),
        ({"text": {"en": "x" * (MAX_TERMS + 1)}}, "text.en"),
    ],
)
def test_wrong_terms_name_the_field(changes, field):
    with pytest.raises(InvalidMessage) as caught:
        Terms.from_json(TERMS | changes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Journal” may do everything. “It"}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": "Journal\u200b"}, "name"),
        ({"name": None}, "name"),
        ({"kind": "Journal"}, "kind"),
        ({"kind": ["journal"]}, "kind"),
        ({"website": "http://journal.example/"}, "website"),
        ({"website": "javascript:alert(1)"}, "website"),
        ({"website": "https://user@journal.example/"}, "website"),
        ({"website": "https://journal.example/?q=1"}, "website"),
        ({"website": "https://journal.example/a b"}, "website"),
        ({"website": "https://localhost/"}, "website"),
        ({"website": "https://jоurnal.example/"}, "website"),  # a Cyrillic o
        ({"website": "https://journal.example/" + "a" * 200}, "website"),
        ({"website": None}, "website"),
    ],
)
def test_wrong_profiles_name_the_field(changes, field):
    with pytest.raises(InvalidMessage) as caught:
        Profile.from_json(PROFILE | changes)
    assert caught.value.field == field


def test_a_document_is_bounded_as_a_whole():
    languages = [f"a{a}{b}" for a in "bcdefgh" for b in "bcdefgh"]
    text = {"en": "x" * MAX_TERMS} | dict.fromkeys(languages, "x" * 2000)
    with pytest.raises(InvalidMessage, match="larger than"):
        Terms.from_json(TERMS | {"text": text})


def test_a_form_may_be_made_of_its_parts():
    form = Form.from_json(FORM)
    assert Form(form.version, form.issuer, form.title, form.statements, form.channels) == form


def test_documents_cannot_be_changed():
    form = Form.from_json(FORM)
    with pytest.raises(AttributeError):
        form.version = 9
    with pytest.raises(TypeError):
        form.title["en"] = "Other"
    with pytest.raises(TypeError):
        form.channels["journal"] = ChannelTerms(ISSUER, HASH)


def test_what_was_given_is_copied():
    value = json.loads(json.dumps(FORM))
    form = Form.from_json(value)
    value["title"]["en"] = "Other"
    value["channels"].clear()
    assert form.to_json() == FORM


# -- profiles as data URIs --------------------------------------------------------------------------------------------


def _uri(data):
    return "data:application/json;base64," + base64.b64encode(data).decode()


def test_a_profile_is_its_own_uri():
    profile = Profile(1, "医学雑誌", "journal", "https://journal.example/about")
    assert Profile.from_data_uri(profile.data_uri()) == profile
    assert Profile.from_data_uri(profile.data_uri(), profile.hash) == profile
    assert "website" not in Profile.from_json(PROFILE).to_json()


def test_a_profile_must_be_the_one_the_directory_names():
    with pytest.raises(InvalidMessage, match=r"^uri: is not the profile"):
        Profile.from_data_uri(Profile.from_json(PROFILE).data_uri(), HASH)


GOOD = Profile.from_json(PROFILE).to_bytes()


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "https://journal.example/profile.json",
        "data:application/json," + GOOD.decode(),
        _uri(GOOD).replace("application/json", "text/html"),
        _uri(GOOD) + "\n",
        _uri(GOOD)[:-1],
        _uri(GOOD).replace("base64,", "base64, "),
        _uri(GOOD + b"\n"),
        _uri(json.dumps(PROFILE).encode()),
        _uri(canonical(TERMS)),
        _uri(canonical(PROFILE | {"extra": 1})),
        _uri(b"[" * 5000),
        _uri(b"\xff"),
        _uri(b""),
        _uri(GOOD + b" " * MAX_DATA_URI),
    ],
    ids=lambda u: repr(u)[-40:],
)
def test_other_uris_are_refused(uri):
    with pytest.raises(InvalidMessage):
        Profile.from_data_uri(uri)


def test_base64_with_spare_bits_is_another_text_for_the_same_bytes():
    padded = next(
        p.data_uri() for n in range(3) if (p := Profile(1, "J" * (n + 1), "journal")).data_uri().endswith("fQ==")
    )
    assert Profile.from_data_uri(padded)
    with pytest.raises(InvalidMessage, match="canonical"):
        Profile.from_data_uri(padded.replace("fQ==", "fR=="))


def test_a_uri_that_is_too_long_is_refused_before_it_is_decoded():
    with pytest.raises(InvalidMessage, match="longer than"):
        Profile.from_data_uri("data:application/json;base64," + "!" * MAX_DATA_URI)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.text(max_size=300))
def test_a_profile_that_exists_fits_its_uri(name):
    try:
        profile = Profile(1, name, "journal", "https://journal.example/")
    except InvalidMessage:
        return
    assert len(profile.data_uri()) <= MAX_DATA_URI
    assert Profile.from_data_uri(profile.data_uri(), profile.hash) == profile


# -- templates --------------------------------------------------------------------------------------------------------


def test_the_publication_form_has_the_six_statements():
    channels = {code: ChannelTerms(ISSUER, channel_terms(code, ISSUER).hash) for code in ("journal", "social:mastodon")}
    form = publication_form(ISSUER, channels)
    assert [s.id for s in form.statements] == [
        "global-attention",
        "online-free",
        "journal-social-media",
        "discussed-by-doctors",
        "outside-medicine",
        "anonymity-not-guaranteed",
    ]
    begins = {"en": "I understand that ", "de": "Ich verstehe, dass ", "es": "Entiendo que ", "ar": "أفهم أن"}
    for language, words in begins.items():
        assert all(s.text[language].startswith(words) for s in form.statements), language
    assert "anonymity cannot be guaranteed" in form.statements[5].text["en"]
    assert form.issuer == ISSUER
    assert form.channels == channels
    assert publication_form(ISSUER, form.to_json()["channels"]) == form


@pytest.mark.parametrize("channel", ["journal", "social:mastodon", "social:instagram"])
def test_channel_terms(channel):
    terms = channel_terms(channel, ISSUER)
    assert (terms.channel, terms.issuer, terms.version) == (channel, ISSUER, 1)
    assert date.fromisoformat(terms.as_of) <= date(2026, 11, 23)
    assert Terms.from_bytes(terms.to_bytes()) == terms


@pytest.mark.parametrize("channel", ["press", "billboard", "../publication-form", ""])
def test_channels_without_a_template(channel):
    with pytest.raises(UnknownCode, match="terms-journal"):
        channel_terms(channel, ISSUER)


def texts(template):
    """Every text of a template: language to words."""
    title, said = template["title"], template.get("text")
    return [title, *([said] if said else []), *(statement["text"] for statement in template.get("statements", ()))]


def sentences(words):
    return [one for one in re.split(r"[.:;؛] ?", words) if one]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_the_same_in_every_language(name):
    for text in texts(load_template(name)):
        assert tuple(text) == vocabulary.LANGUAGES
        assert len(set(text.values())) == len(text), "one is not translated"
        english = sentences(text["en"])
        for language, words in text.items():
            assert len(sentences(words)) == len(english), (language, words)
            assert words.endswith(".") == text["en"].endswith("."), (language, words)
            assert bool(re.search(r"[\u0600-\u06ff]", words)) == (language == "ar"), (language, words)
            assert not (language == "ar" and re.search("[A-Za-z]", words)), words


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_easily_read(name):
    """Somebody of twelve reads it: short sentences of mostly short words."""
    for text in texts(load_template(name)):
        for language, words in text.items():
            for sentence in sentences(words):
                assert len(sentence.split()) <= 28, (language, sentence)
            longest = [word for word in words.split() if len(word) > 18]
            assert len(longest) <= 1, (language, longest)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_a_copy(name):
    load_template(name)["title"]["en"] = "changed"
    assert load_template(name)["title"]["en"] != "changed"


@pytest.mark.parametrize("name", ["", "../model", "publication-form.json"])
def test_unknown_templates(name):
    with pytest.raises(UnknownCode, match="publication-form"):
        load_template(name)
