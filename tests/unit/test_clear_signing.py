"""What a wallet shows is what is hashed: every message of a patient, every field, in words, for this ledger alone."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from json_schema import check

from ledger.clear_signing import descriptor
from ledger.model import (
    MESSAGES,
    Closure,
    Consent,
    Delegation,
    Grant,
    Relayed,
    Revocation,
    RevokeAll,
    Suspension,
    keccak,
)
from ledger.summary import matches
from ledger.typed_data import TYPE_HASHES, TYPES, Domain, encode_type
from scripts.vector_sources.world import START, World

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((Path(__file__).parent / "erc7730.schema.json").read_text())
VECTORS = json.loads((ROOT / "tests" / "vectors" / "typed_data.json").read_text())
DOMAIN = Domain(VECTORS["domain"]["chainId"], VECTORS["domain"]["verifyingContract"])
DESCRIPTOR = descriptor(DOMAIN)
FORMATS = DESCRIPTOR["display"]["formats"]
PATIENTS = [kind.TYPE for kind in get_args(Relayed)]
"""What a subject signs and anybody may relay."""
LISTS = {name for name in PATIENTS if any(kind == "Grant[]" for kind, _ in TYPES[name])}


def form_of(name):
    return FORMATS[encode_type(name)]


def flat(fields, prefix=""):
    """(path, field) of every field, those of groups with the path of their group before them."""
    for field in fields:
        path = prefix + field["path"]
        if "fields" in field:
            yield from flat(field["fields"], f"{path}.")
        else:
            yield path, field


def leaves(name, prefix=""):
    """(path, type) of everything that is hashed in a message."""
    for kind, member in TYPES[name]:
        path = prefix + member + (".[]" if kind.endswith("[]") else "")
        base = kind.removesuffix("[]")
        if base in TYPES:
            yield from leaves(base, f"{path}.")
        else:
            yield path, base


# the format


def test_it_has_the_shape_of_an_erc_7730_descriptor():
    assert check(DESCRIPTOR, SCHEMA) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("more",), 1),
        (("context", "eip712", "domain", "salt"), "0x"),
        (("context", "eip712", "deployments"), []),
        (("display", "formats", encode_type("Closure"), "intent"), " "),
        (("display", "formats", encode_type("Closure"), "required"), []),
        (("display", "formats", encode_type("Closure"), "fields", 0, "format"), "adress"),
        (("display", "formats", encode_type("RevokeAll"), "fields", 1, "params"), {"encoding": "seconds"}),
        (("display", "formats", encode_type("Consent"), "fields", 0, "fields", 0, "visible"), "sometimes"),
    ],
    ids=lambda value: str(value[-1]) if isinstance(value, tuple) else "",
)
def test_the_shape_refuses_what_a_wallet_would(path, value):
    broken = copy.deepcopy(DESCRIPTOR)
    inner = broken
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert check(broken, SCHEMA) != []


def test_it_speaks_of_exactly_the_messages_a_patient_signs():
    assert [form["$id"] for form in FORMATS.values()] == PATIENTS
    assert {"Record", "Approval", "ReleaseRequest", "Witness"}.isdisjoint(PATIENTS)


@pytest.mark.parametrize("name", PATIENTS)
def test_the_key_hashes_to_the_recorded_type_hash(name):
    (key,) = [key for key, form in FORMATS.items() if form["$id"] == name]
    assert keccak(key.encode()) == TYPE_HASHES[name]
    assert "0x" + keccak(key.encode()).hex() == VECTORS["typeHashes"][name]


def test_it_is_bound_to_one_domain():
    context = DESCRIPTOR["context"]["eip712"]
    assert context["domain"] == VECTORS["domain"] == DOMAIN.to_json()
    assert context["deployments"] == [{"chainId": DOMAIN.chain_id, "address": DOMAIN.registry}]
    other = descriptor(Domain(DOMAIN.chain_id + 1, DOMAIN.registry))
    assert other != DESCRIPTOR
    assert other["display"] == DESCRIPTOR["display"]


# the fields


@pytest.mark.parametrize("name", PATIENTS)
def test_every_field_that_is_hashed_is_shown_or_hidden_on_purpose(name):
    fields = dict(flat(form_of(name)["fields"]))
    assert len(fields) == len(list(flat(form_of(name)["fields"]))), "each field once"
    assert fields.keys() == dict(leaves(name)).keys()
    silent = {path.split(".")[-1]: field["visible"] for path, field in fields.items() if "visible" in field}
    assert silent == ({"record": "optional", "form": "optional", "salt": "never"} if name in LISTS else {})


@pytest.mark.parametrize("name", PATIENTS)
def test_fields_have_the_format_of_their_type(name):
    may = {
        "address": {"addressName", "raw"}, "uint64": {"date"}, "uint8": {"enum"}, "bool": {"raw"}, "string": {"raw"},
        "bytes32": {"raw"},
    }  # fmt: skip
    kinds = dict(leaves(name))
    for path, field in flat(form_of(name)["fields"]):
        assert field["format"] in may[kinds[path]], path
        if field["format"] == "enum":
            *_, enum = field["params"]["$ref"].split(".")
            assert DESCRIPTOR["metadata"]["enums"][enum].keys() == {"0", "1", "2", "3"}


@pytest.mark.parametrize("name", PATIENTS)
def test_no_name_service_is_asked_about_a_pseudonym(name):
    fields = dict(flat(form_of(name)["fields"]))
    assert fields["subject"]["format"] == "raw"
    named = [field for field in fields.values() if field["format"] == "addressName"]
    assert all(field["params"]["sources"] == ["local"] for field in named)


@pytest.mark.parametrize("name", sorted(LISTS))
def test_the_summary_comes_first(name):
    path, field = next(flat(form_of(name)["fields"]))
    assert (path, field["format"]) == ("grants.[].summary", "raw")
    assert "visible" not in field


@pytest.mark.parametrize("name", PATIENTS)
def test_words_fit_a_small_screen(name):
    assert len(form_of(name)["intent"]) <= 30
    labels = [field["label"] for _, field in flat(form_of(name)["fields"])]
    assert len(set(labels)) == len(labels)
    assert [label for label in labels if len(label) > 20] == []
    assert [word for word in DESCRIPTOR["metadata"]["enums"]["rights"].values() if len(word) > 20] == []


@pytest.mark.parametrize("name", PATIENTS)
def test_a_sentence_holds_everything_that_is_shown_or_there_is_none(name):
    """A wallet may show the sentence alone: what it left out would be signed unseen. Lists do not fit into one."""
    sentence = form_of(name).get("interpolatedIntent")
    assert (sentence is None) == (name in LISTS)
    if sentence is not None:
        assert set(re.findall(r"\{([^}]*)\}", sentence)) == dict(flat(form_of(name)["fields"])).keys()


# what is read, according to a library that is not ours


@pytest.fixture(scope="module")
def show():
    """Everything a wallet shows for typed messages."""
    if not (ROOT / "node_modules" / "micro-eth-signer").is_dir():
        pytest.fail("the npm packages are not installed: run `make setup`")

    def shown(messages, domain=DOMAIN, with_descriptor=DESCRIPTOR):
        said = json.dumps({"descriptor": with_descriptor, "messages": [domain.typed_data(m) for m in messages]})
        program = [Path(sys.executable).parent / "node", Path(__file__).with_name("clear_signing.mjs")]
        done = subprocess.run(program, input=said, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(done.stdout)

    return shown


WORLD = World()
SUBJECT = WORLD.patient.address
OF_WORLD = descriptor(WORLD.domain)


@pytest.fixture(scope="module")
def read(show):
    """What a wallet shows for one message in the world of the tests."""
    return lambda message: show([message], WORLD.domain, OF_WORLD)[0]


def test_every_recorded_message_of_a_patient_is_shown_and_no_other(show):
    messages = [MESSAGES[case["primaryType"]].from_json(case["message"]) for case in VECTORS["messages"]]
    for message, seen in zip(messages, show(messages), strict=True):
        if message.TYPE not in PATIENTS:
            assert seen is None
            continue
        assert seen["intent"] == form_of(message.TYPE)["intent"]
        text = json.dumps(seen, ensure_ascii=False)
        for name, value in message.to_json().items():
            if isinstance(value, str | bool):
                assert str(value).lower() in text.lower(), name
        for grant in getattr(message, "grants", ()):
            told = [value for _, value in seen["fields"]]
            plain = [grant.summary, grant.recipient, grant.onward, *grant.items, *grant.purposes, *grant.channels]
            assert [value for value in plain if value not in told] == []
            assert grant.salt not in text


def test_a_consent_is_read_as_sentences(read):
    grant = WORLD.grant()
    seen = read(Consent(SUBJECT, (grant,), START + 3600))
    assert (seen["intent"], seen["sentence"]) == ("Give permission", None)
    assert seen["fields"][0] == ["You allow", grant.summary]
    assert matches(grant, WORLD.names) == "en"
    assert re.fullmatch(r"(?:“?[A-Z][^.]*(?:\.\w+[^.]*)*\. ?){5}", grant.summary), "sentences, each with its full stop"


def test_several_grants_are_all_read(show):
    """In a sentence only the first of a list is read: why a consent has none."""
    grants = (WORLD.grant(), WORLD.research_grant)
    consent = Consent(SUBJECT, grants, START + 3600)
    (seen,) = show([consent], WORLD.domain, OF_WORLD)
    assert [value for _, value in seen["fields"]][:2] == [grant.summary for grant in grants]

    unsafe = copy.deepcopy(OF_WORLD)
    unsafe["display"]["formats"][encode_type("Consent")]["interpolatedIntent"] = "You allow: {grants.[].summary}"
    (seen,) = show([consent], WORLD.domain, unsafe)
    assert seen["sentence"] == f"You allow: {grants[0].summary}"


SENTENCES = {
    "RevokeAll": (
        RevokeAll(SUBJECT, START),
        f"Take back every permission that {SUBJECT} gave up to Mon, 23 Nov 2026 10:00:00 GMT.",
    ),
    "Suspension": (
        Suspension(SUBJECT, True, START),
        f"Pause everything that {SUBJECT} permitted: true (true pauses, false resumes). "
        "Signed Mon, 23 Nov 2026 10:00:00 GMT.",
    ),
    "Closure": (
        Closure(SUBJECT),
        f"Take back every permission of {SUBJECT} for ever and never accept a new one.",
    ),
    "Delegation": (
        Delegation(SUBJECT, WORLD.mother.address, 1, START + 86_400, START),
        f"{WORLD.mother.address} may only take back permissions for {SUBJECT}. "
        "Any right ends by Tue, 24 Nov 2026 10:00:00 GMT. Signed Mon, 23 Nov 2026 10:00:00 GMT.",
    ),
    "no Delegation": (
        Delegation(SUBJECT, WORLD.mother.address, 0, START + 86_400, START),
        f"{WORLD.mother.address} may no longer change permissions for {SUBJECT}. "
        "Any right ends by Tue, 24 Nov 2026 10:00:00 GMT. Signed Mon, 23 Nov 2026 10:00:00 GMT.",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_everything_else_is_one_sentence(read, case):
    message, sentence = SENTENCES[case]
    assert read(message)["sentence"] == sentence


def test_a_message_of_another_ledger_is_not_shown(show):
    other = Domain(WORLD.domain.chain_id, "0x" + "11" * 20)
    assert show([Closure(SUBJECT)], other, OF_WORLD) == [None]


def test_the_documentation_shows_what_is_shown(read):
    page = (ROOT / "docs" / "clear-signing.md").read_text(encoding="utf-8")
    block = page.split("```text\n")[1].split("```")[0]
    seen = read(Revocation(SUBJECT, (WORLD.grant(),)))
    hidden = {"Record", "Form"}
    lines = [seen["intent"], *(f"{label}: {value}" for label, value in seen["fields"] if label not in hidden)]
    assert " ".join(block.split()) == " ".join("\n".join(lines).split())
    assert {name for name in PATIENTS if f"`{name}`" in page} == set(PATIENTS)
    assert Grant.TYPE in page
