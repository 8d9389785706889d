"""The consent record of one grant: what the patient can keep, print and show (ISO/IEC TS 27560, in the terms of DPV).

JSON-LD after the profile of the W3C Data Privacy Vocabulary for TS 27560. It says what was signed, by whom and when as
the operator's receipts tell it, and claims nothing else: docs/consent-record.md lists what the standard asks for and
nobody here knows. The page makes the same record (`consent_record.ts`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ledger import vocabulary
from ledger.model import ZERO_ADDRESS, Address, Closure, Consent, Grant, Hash, Message, Revocation, RevokeAll
from ledger.receipts import RelayReceipt
from ledger.typed_data import Domain, struct_hash

CONTEXT = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "volens": "urn:volens:terms:",
}
PROFILE = "https://w3id.org/dpv/schema/dpv-27560#record"

Handed = tuple[Message, RelayReceipt]
"""A message that the service took, and its verified receipt."""


def consent_record(
    grant: Grant,
    *,
    subject: Address,
    domain: Domain,
    controller: Address,
    names: Mapping[Address, str],
    handed: Iterable[Handed],
    service: str,
    language: str,
    at: int,
) -> dict[str, Any]:
    """The record of a grant as JSON values.

    Args:
        subject: whose grant it is.
        controller: who holds the material; from the Record.
        names: what the Directory calls the controller and the recipient. Who has no name there gets none.
        handed: what the wallet handed in, in any order; messages about other grants are passed over.
        service: address of the service, where consent can be withdrawn.
        language: of the labels. The grant's own sentence stays as it was signed.
        at: Unix seconds for which the status is told.

    Raises:
        UnknownCode: the language, a purpose or a channel is unknown.
    """
    name = struct_hash(grant)
    purposes = [(code, vocabulary.purpose(code).label(language)) for code in grant.purposes]
    channels = [(code, vocabulary.channel(code).label(language)) for code in grant.channels]
    return {
        "@context": CONTEXT,
        "@type": "dpv:ConsentRecord",
        "dct:identifier": f"urn:volens:consent:eip155:{domain.chain_id}:{domain.registry}:{name}",
        "dct:conformsTo": PROFILE,
        "dct:language": language,
        "dct:description": grant.summary,
        "dpv:hasDataSubject": _party("dpv:DataSubject", subject, domain, {}),
        "dpv:hasDataController": _party("dpv:DataController", controller, domain, names),
        "dpv:hasLegalBasis": "dpv:ExplicitlyExpressedConsent",
        "dpv:hasProcess": {
            "@type": "dpv:Process",
            "dpv:hasPurpose": _coded("dpv:Purpose", purposes),
            "dpv:hasPersonalData": [
                {"@type": ["pd:MedicalHealth", "dpv:SensitivePersonalData"], "dct:title": item} for item in grant.items
            ],
            "dpv:hasRecipient": (
                "dpv:Recipient"
                if grant.recipient == ZERO_ADDRESS
                else _party("dpv:Recipient", grant.recipient, domain, names)
            ),
            "dpv:hasStorageCondition": {"@type": "dpv:StorageLocation", "dct:identifier": service},
            "dpv:hasDuration": {"@type": "dpv:UntilTimeDuration", "dct:date": _time(grant.valid_until)},
            "volens:channel": _coded("volens:Channel", channels),
            "volens:onward": grant.onward,
            "volens:validFrom": _time(grant.valid_from),
        },
        "dpv:hasConsentControl": {
            "@type": ["dpv:ProvideConsent", "dpv:WithdrawConsent"],
            "dpv:isExercisedAt": f"{service}/wallet/",
        },
        "dpv:hasNotice": {"@type": "dpv:ConsentNotice", "dct:identifier": f"urn:volens:document:{grant.form}"},
        "dpv:hasConsentStatus": _statuses(grant, name, subject, domain, sorted(handed, key=_received), at),
        "volens:record": grant.record,
        "volens:grant": name,
    }


def _statuses(
    grant: Grant, name: Hash, subject: Address, domain: Domain, handed: list[Handed], at: int
) -> list[dict[str, Any]]:
    """Everything that is known to have happened to a grant, the oldest first; the last entry is how it is."""
    found: list[dict[str, Any]] = []
    given = 0
    for message, receipt in handed:
        if receipt.subject != subject:
            continue
        match message:
            case Consent() if not found and name in map(struct_hash, message.grants):
                given = receipt.received_at
                found.append(_status(["dpv:ConsentGiven", "dpv:ExplicitlyExpressedConsent"], receipt, domain))
            case Revocation() if name in map(struct_hash, message.grants):
                return [*found, _status(["dpv:ConsentWithdrawn"], receipt, domain)]
            case Closure() if found:
                return [*found, _status(["dpv:ConsentWithdrawn"], receipt, domain)]
            case RevokeAll() if found and message.before >= given:
                return [*found, _status(["dpv:ConsentWithdrawn"], receipt, domain)]
    if not found:
        return [{"@type": ["dpv:ConsentUnknown"]}]
    if grant.valid_until <= at:
        found.append({"@type": ["dpv:ConsentExpired"], "dpv:isIndicatedAtTime": _time(grant.valid_until)})
    return found


def _status(kinds: list[str], receipt: RelayReceipt, domain: Domain) -> dict[str, Any]:
    return {
        "@type": kinds,
        "dpv:isIndicatedBy": _did(receipt.signer, domain),
        "dpv:hasIndicationMethod": f"EIP-712 signature over {receipt.digest}, received as {receipt.id}",
        "dpv:isIndicatedAtTime": _time(receipt.received_at),
    }


def _received(entry: Handed) -> tuple[int, str]:
    return entry[1].received_at, entry[1].id


def _party(kind: str, party: Address, domain: Domain, names: Mapping[Address, str]) -> dict[str, Any]:
    named = {"dpv:hasName": names[party]} if party in names else {}
    return {"@type": kind, "dct:identifier": _did(party, domain), **named}


def _did(party: Address, domain: Domain) -> str:
    return f"did:pkh:eip155:{domain.chain_id}:{party}"


def _coded(kind: str, codes: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"@type": kind, "dct:identifier": code, "dct:title": label} for code, label in codes]


def _time(seconds: int) -> str:
    # 253402300800 is the first second of the year 10000, which no grant reaches: its sentence could not be written.
    return datetime.fromtimestamp(min(seconds, 253_402_300_799), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
