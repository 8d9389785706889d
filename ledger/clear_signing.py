"""What a wallet shows before a patient signs: an ERC-7730 descriptor of every message of hers.

Only words are written here. Which fields there are, in which types and under which names, is read from the very types
that are hashed, so a descriptor cannot speak of another message than the one that is signed.
"""

from typing import Any

from ledger.model import RIGHT_GRANT, RIGHT_REVOKE, Grant
from ledger.typed_data import TYPES, Domain, encode_type

SCHEMA = "https://eips.ethereum.org/assets/eip-7730/erc7730-v2.schema.json"
"""Version 2.0.0 of the format. A wallet refuses a descriptor of another major version than its own."""

_ENUMS = {
    "rights": {
        "0": "no longer change",
        str(RIGHT_REVOKE): "only take back",
        str(RIGHT_GRANT): "only give",
        str(RIGHT_REVOKE | RIGHT_GRANT): "give and take back",
    }
}

# By message: what she is asked, a sentence that holds all of it, and the labels of its fields in the order shown.
# A wallet may show the sentence alone, and of a list it puts only the first entry into one. So Consent and Revocation
# have none: each grant in them brings its own, the summary.
_WORDS: dict[str, tuple[str, str | None, dict[str, str]]] = {
    "Consent": (
        "Give permission",
        None,
        {"grants": "You allow", "subject": "Patient", "deadline": "To be recorded by"},
    ),
    "Revocation": (
        "Take back permission",
        None,
        {"grants": "You take back", "subject": "Patient"},
    ),
    "RevokeAll": (
        "Take back everything",
        "Take back every permission that {subject} gave up to {before}.",
        {"subject": "Patient", "before": "Given up to"},
    ),
    "Suspension": (
        "Pause or resume",
        "Pause everything that {subject} permitted: {suspended} (true pauses, false resumes). Signed {at}.",
        {"suspended": "Pause", "subject": "Patient", "at": "Signed"},
    ),
    "Closure": (
        "End for ever",
        "Take back every permission of {subject} for ever and never accept a new one.",
        {"subject": "Patient"},
    ),
    "Delegation": (
        "Let somebody act",
        "{delegate} may {rights} permissions for {subject}. Any right ends by {validUntil}. Signed {at}.",
        {"delegate": "Who may act", "rights": "May", "subject": "Patient", "validUntil": "Ends", "at": "Signed"},
    ),
}

# The summary is labelled by the message: allowed here, taken back there.
_GRANT = {
    "recipient": "Who",
    "items": "Part",
    "purposes": "Purpose",
    "channels": "Place",
    "onward": "Passing on",
    "validFrom": "From",
    "validUntil": "Until",
    "record": "Record",
    "form": "Form",
    "salt": "Random number",
}
# A hash helps whoever compares it, and hides the sentence from everybody else; a random number helps nobody.
_VISIBLE = {"record": "optional", "form": "optional", "salt": "never"}

_FORMATS: dict[str, dict[str, Any]] = {
    "address": {"format": "addressName", "params": {"types": ["wallet", "eoa", "contract"], "sources": ["local"]}},
    "uint64": {"format": "date", "params": {"encoding": "timestamp"}},
    "uint8": {"format": "enum", "params": {"$ref": "$.metadata.enums.rights"}},
    "bool": {"format": "raw"},
    "string": {"format": "raw"},
    "bytes32": {"format": "raw"},
}
# A pseudonym has no name; a wallet that looked for one would tell a name service of it.
_SUBJECT = {"format": "raw"}


def descriptor(domain: Domain) -> dict[str, Any]:
    """The ERC-7730 descriptor of every typed message a subject, or her delegate, signs in this domain.

    Signing in and answering an invitation are ERC-4361 texts, which wallets show as they are.
    """
    return {
        "$schema": SCHEMA,
        "context": {
            "$id": "Volens: messages of patients",
            "eip712": {
                "domain": domain.to_json(),
                "deployments": [{"chainId": domain.chain_id, "address": domain.registry}],
            },
        },
        "metadata": {"owner": "Volens", "contractName": "Volens consent ledger", "enums": _ENUMS},
        "display": {"formats": {encode_type(name): _format(name) for name in _WORDS}},
    }


def _format(name: str) -> dict[str, Any]:
    intent, sentence, labels = _WORDS[name]
    fields = [_grants(labels[member]) if member == "grants" else _field(name, member, labels) for member in labels]
    spoken = {} if sentence is None else {"interpolatedIntent": sentence}
    return {"$id": name, "intent": intent, **spoken, "fields": fields}


def _grants(label: str) -> dict[str, Any]:
    labels = {"summary": label} | _GRANT
    return {"path": "grants.[]", "fields": [_field(Grant.TYPE, member, labels) for member in labels]}


def _field(name: str, member: str, labels: dict[str, str]) -> dict[str, Any]:
    kind = next(kind for kind, other in TYPES[name] if other == member)
    path = f"{member}.[]" if kind.endswith("[]") else member
    shown = _SUBJECT if member == "subject" else _FORMATS[kind.removesuffix("[]")]
    visible = {"visible": _VISIBLE[member]} if member in _VISIBLE else {}
    return {"path": path, "label": labels[member], **shown, **visible}
