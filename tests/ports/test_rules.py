"""The rules in Python, without a chain, as far as the in-memory chain does not reach. The state machine compares them
with the contracts."""

import pytest

from ledger.adapters.rules import Contracts, Reverted, message_hash
from ledger.events import Anchored, Checkpointed, Granted, Registered, Retracted, Superseded, Suspended
from ledger.model import RIGHT_GRANT, RIGHT_REVOKE, ZERO_ADDRESS, Closure, Delegation, RevokeAll, Suspension, to_hash
from ledger.ports import Call
from ledger.state import LedgerState
from ledger.typed_data import commitment_hash, hash_struct
from scripts.vector_sources.world import CHAIN_ID, START, World, phrase

W = World()
PATIENT, MOTHER, STRANGER, CONSORTIUM = (k.address for k in (W.patient, W.mother, W.stranger, W.hospital))
X, Y, ZERO = phrase("x"), phrase("y"), bytes(32)


class Ledger:
    """A state, changed by the calls that are accepted."""

    def __init__(self, **options):
        self.contracts = Contracts(W.domain, owner=CONSORTIUM, **options)
        self.state = LedgerState.empty(CHAIN_ID, W.contracts)

    def call(self, function, *arguments, by=PATIENT, at=START, contract="ConsentRegistry"):
        try:
            events = self.contracts.execute(self.state, Call(contract, function, arguments), at, by)
        except Reverted as refusal:
            return str(refusal)
        for event in events:
            self.state.apply(event)
        return list(events)


def signed(key, struct):
    return bytes.fromhex(key.sign(W.domain.digest_of(struct))[2:])


def consent(names, deadline=START, key=W.patient, subject=PATIENT):
    return signed(key, commitment_hash("Consent", subject, tuple(map(to_hash, names)), deadline))


def revocation(names, key=W.patient):
    return signed(key, commitment_hash("Revocation", PATIENT, tuple(map(to_hash, names))))


def kinds(events):
    return [type(event).__name__ for event in events]


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("grant", ([X, Y],), ["Granted", "Granted"]),
        ("revoke", ([X, X],), ["Revoked"]),
        ("revokeAll", (2**64 - 1,), ["RevokedAll"]),
        ("suspend", (True,), ["Suspended"]),
        ("close", (), ["Closed"]),
        ("delegate", (MOTHER, 3, START), ["Delegated"]),
        ("anchor", (X, 1), ["Anchored"]),
    ],
)
def test_everybody_speaks_for_itself(function, arguments, said):
    assert kinds(Ledger().call(function, *arguments)) == said


@pytest.mark.parametrize(("ahead", "said"), [(1, "TooFarAhead"), (0, ["Suspended"])])
def test_a_word_that_widens_is_not_dated_ahead_so_a_withdrawal_of_ones_own_is_never_late(ahead, said):
    ledger = Ledger()
    ledger.call("suspend", True, at=START - 1)
    resume = Suspension(PATIENT, False, START + ahead)
    answer = ledger.call("suspendFor", PATIENT, False, resume.at, PATIENT, signed(W.patient, hash_struct(resume)))
    assert (answer if ahead else kinds(answer)) == said
    assert bool(ahead) or ledger.call("suspend", True) == [Suspended(START, PATIENT, True, START, PATIENT)]


def test_what_is_paused_until_later_is_not_resumed_before():
    ledger = Ledger()
    ahead = Suspension(PATIENT, True, START + 900)
    ledger.call("suspendFor", PATIENT, True, START + 900, PATIENT, signed(W.patient, hash_struct(ahead)))
    assert ledger.call("suspend", True) == []
    assert ledger.call("suspend", False) == "NotNewer"


@pytest.mark.parametrize(
    ("names", "error"),
    [([], "EmptyList"), ([X, X], "AlreadyGranted"), ([X, X, Y], "AlreadyGranted"), ([X, Y, X], "AlreadyRevoked")],
)
def test_the_first_name_that_is_wrong_is_told(names, error):
    ledger = Ledger()
    ledger.call("revoke", [Y])
    assert ledger.call("grant", names) == error


def test_a_batch_is_recorded_whole_or_not_at_all():
    ledger = Ledger()
    good = (PATIENT, [X], START, PATIENT, consent([X]))
    other = (MOTHER, [X], START, MOTHER, consent([X], key=W.mother, subject=MOTHER))
    assert ledger.call("grantForMany", [], by=STRANGER) == "EmptyList"
    assert ledger.call("grantForMany", [good, other, good], by=STRANGER) == "AlreadyGranted"
    assert ledger.state.entries == {}
    assert ledger.call("grantForMany", [good, other], by=STRANGER) == [
        Granted(START, PATIENT, to_hash(X), PATIENT),
        Granted(START, MOTHER, to_hash(X), MOTHER),
    ]


def test_sending_is_as_good_as_signing_for_the_signer_alone():
    ledger = Ledger()
    assert ledger.call("grantFor", PATIENT, [X], START, PATIENT, b"", by=STRANGER) == "SignatureInvalid"
    assert ledger.call("grantFor", PATIENT, [X], START, STRANGER, b"", by=STRANGER) == "NotAuthorised"
    assert kinds(ledger.call("grantFor", PATIENT, [X], START, PATIENT, b"")) == ["Granted"]


def test_an_account_with_code_grants_through_it_and_withdraws_with_its_key_too():
    ledger = Ledger(wallets={PATIENT: lambda _, signature: signature == b"password"})
    assert ledger.call("grantFor", PATIENT, [X], START, PATIENT, consent([X])) == "SignatureInvalid"
    assert kinds(ledger.call("grantFor", PATIENT, [X], START, PATIENT, b"password")) == ["Granted"]
    assert kinds(ledger.call("revokeFor", PATIENT, [X], PATIENT, revocation([X]))) == ["Revoked"]
    assert kinds(ledger.call("revokeFor", PATIENT, [Y], PATIENT, b"password")) == ["Revoked"]
    resumed = signed(W.patient, hash_struct(Suspension(PATIENT, False, START)))
    assert ledger.call("suspendFor", PATIENT, False, START, PATIENT, resumed) == "SignatureInvalid"


def test_messages_of_numbers_hash_as_they_do_everywhere():
    for message in (
        RevokeAll(PATIENT, 7),
        Suspension(PATIENT, True, 7),
        Closure(PATIENT),
        Delegation(PATIENT, MOTHER, 3, 7, 8),
    ):
        assert message_hash(message.TYPE, *vars(message).values()) == hash_struct(message)


def test_cohorts_are_anchored_once():
    ledger = Ledger()
    assert ledger.call("anchor", ZERO, 1) == ledger.call("anchor", X, 0) == "InvalidAnchor"
    assert ledger.call("anchor", X, 1) == [Anchored(START, to_hash(X), 1)]
    assert ledger.call("anchor", X, 2, at=START + 1) == []


def test_the_directory_is_the_consortiums():
    ledger = Ledger()

    def call(function, *arguments, by=CONSORTIUM):
        return ledger.call(function, *arguments, by=by, contract="Directory")

    assert call("register", MOTHER, 1, X, "u", by=MOTHER) == "OwnableUnauthorizedAccount"
    assert call("register", ZERO_ADDRESS, 1, X, "u") == "InvalidParty"
    assert call("register", MOTHER, 16, X, "u") == call("register", MOTHER, 0, X, "u") == "InvalidRoles"
    assert call("setSuspended", MOTHER, True) == "UnknownParty"
    assert call("register", MOTHER, 15, X, "u") == [Registered(START, MOTHER, 15, to_hash(X), "u")]
    assert kinds(call("setSuspended", MOTHER, True)) == ["SuspensionChanged"]
    assert call("setSuspended", MOTHER, True) == []
    assert call("renounceOwnership") == "OwnerRequired"


def test_documents_are_their_issuers():
    ledger = Ledger()

    def call(function, *arguments, by=PATIENT):
        return ledger.call(function, *arguments, by=by, contract="PolicyRegistry")

    assert call("publish", ZERO) == call("retract", ZERO) == "InvalidDocument"
    assert call("supersede", X, Y, True) == "NotPublished"
    assert kinds(call("publish", X)) == ["Published"]
    assert call("publish", X) == call("supersede", X, X, True) == "AlreadyPublished"
    assert call("supersede", X, Y, True, by=MOTHER) == "NotPublished"
    assert call("supersede", X, Y, True) == [Superseded(START, PATIENT, to_hash(X), to_hash(Y), True)]
    assert call("supersede", X, phrase("z"), True) == "AlreadySuperseded"
    assert call("retract", Y) == [Retracted(START, PATIENT, to_hash(Y))]
    assert call("retract", Y) == []
    assert call("publish", Y) == call("supersede", Y, phrase("z"), True) == "AlreadyRetracted"


def test_logs_only_grow():
    ledger = Ledger()

    def call(size, root):
        return ledger.call("checkpoint", X, size, root, contract="CheckpointLog")

    assert call(1, ZERO) == "InvalidRoot"
    assert call(0, X) == "Forked"
    assert call(2, X) == [Checkpointed(START, PATIENT, to_hash(X), 2, to_hash(X))]
    assert call(2, X) == []
    assert (call(2, Y), call(1, X)) == ("Forked", "Shrunk")


@pytest.mark.parametrize("contract", ["ConsentRegistry", "Directory", "PolicyRegistry", "CheckpointLog", "Other"])
def test_what_a_contract_does_not_know_it_refuses(contract):
    answer = Ledger().call("upgrade", X, by=CONSORTIUM, contract=contract)
    assert answer.startswith("an unknown")


def test_rights_are_bits():
    assert RIGHT_REVOKE | RIGHT_GRANT == 3
    ledger = Ledger()
    assert ledger.call("delegate", MOTHER, 4, START + 1) == "InvalidRights"
    assert ledger.call("delegate", PATIENT, 1, START + 1) == "InvalidDelegate"
    ledger.call("delegate", MOTHER, RIGHT_REVOKE, START + 1)
    assert ledger.call("grantFor", PATIENT, [X], START, MOTHER, consent([X], key=W.mother)) == "NotAuthorised"
    assert kinds(ledger.call("revokeFor", PATIENT, [X], MOTHER, revocation([X], W.mother))) == ["Revoked"]
