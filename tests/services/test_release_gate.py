"""The gate: every guard by itself, the order of the steps, and what leaves when all of them hold."""

from dataclasses import replace

import pytest

from ledger import sealing
from ledger.adapters.memory import MemoryVault
from ledger.adapters.store import SqlTransaction
from ledger.errors import (
    BadSignature,
    Conflict,
    Expired,
    InvalidProof,
    LedgerUnavailable,
    NotAuthorised,
    Refused,
    StaleLedger,
    Unavailable,
    WrongChain,
)
from ledger.events import Granted, Revoked, SuspensionChanged
from ledger.model import Closure, Revocation, RevokeAll, Suspension, to_hash
from ledger.services.release import REQUEST_AGE, WINDOW
from ledger.typed_data import Domain, parse_signature, struct_hash
from scripts.vector_sources.world import CHAIN_ID, DAY, phrase

NOWHERE = to_hash(phrase("a record that does not exist"))


def releases(forge):
    """What the patient reads of releases: (kind, permitted, reason)."""
    entries = [e for e in forge.log() if e["kind"] != "decision"]
    return [(e["kind"], e["permitted"], e["reason"]) for e in entries]


def info(forge, request, entry, released):
    return sealing.release_info(
        chain_id=CHAIN_ID,
        registry=forge.domain.registry,
        record=request.record,
        item=struct_hash(entry.item),
        recipient=request.recipient,
        grant_hash=released.decision.grant,
        request=struct_hash(request),
    )


def key_of(name):
    return sealing.EncryptionKey.from_seed(phrase(f"{name} x-wing"))


# What leaves


def test_released_keys_open_the_very_files_the_patient_saw(forge):
    request = forge.request()
    released = forge.release(request)
    assert [entry.item.name for entry in released.items] == ["narrative.md", "ct.dcm"]
    for entry in released.items:
        identity = sealing.hpke_unwrap(entry.wrapped, key_of("journal"), info(forge, request, entry, released))
        with forge.vault.open(entry.sealed) as sealed:
            opened = sealing.unseal_bytes(sealed.read(), identity, entry.item.sha256)
        assert opened == forge.world.files[entry.item.name]
        assert entry.sealed_size == len(forge.vault.contents[entry.sealed])


def test_a_key_opens_for_nobody_else(forge):
    request = forge.request()
    released = forge.release(request)
    entry = released.items[0]
    with pytest.raises(Refused):
        sealing.hpke_unwrap(entry.wrapped, key_of("stranger"), info(forge, request, entry, released))


@pytest.mark.parametrize("field", ["chainId", "registry", "record", "item", "recipient", "grantHash", "request"])
def test_a_key_opens_in_no_other_context(forge, field):
    request = forge.request()
    released = forge.release(request)
    entry = released.items[0]
    context = dict(info(forge, request, entry, released))
    context[field] = {
        "chainId": 1,
        "registry": forge.world.stranger.address,
        "recipient": forge.world.stranger.address,
    }.get(field, NOWHERE)
    with pytest.raises(Refused):
        sealing.hpke_unwrap(entry.wrapped, key_of("journal"), context)


def test_a_release_and_its_hand_over_are_in_her_log(forge):
    request = forge.request()
    released = forge.release(request)
    assert releases(forge) == [("release", True, "permitted")]
    forge.services.gate.delivered(released, request)
    assert releases(forge) == [("release", True, "permitted"), ("outcome", True, "permitted")]
    entries = forge.log()
    assert {entry["id"] for entry in entries} == {released.id}
    assert all(entry["items"] == sorted(struct_hash(e.item) for e in released.items) for entry in entries)


def test_two_releases_of_one_item_are_wrapped_afresh(forge):
    first, second = (forge.release(forge.request(nonce=n)).items[0].wrapped for n in "ab")
    assert first != second


# The order of the steps


def test_the_steps_come_in_the_order_that_was_designed(forge, monkeypatch):
    forge.reason()  # the index is up to date, so only the gate asks for proofs
    steps = []

    def watch(target, name, label):
        real = getattr(target, name)

        def watched(*arguments, **options):
            steps.append(label)
            return real(*arguments, **options)

        monkeypatch.setattr(target, name, watched)

    for name in ("use_request", "denials", "append_log"):
        watch(SqlTransaction, name, name)
    watch(forge.chain, "head", "head")
    watch(forge.chain, "proof", "proof")
    watch(forge.vault, "open", "sealed bytes")
    watch(forge.services.gate._custodian, "wrap_for_recipient", "wrap")
    forge.release()
    once = list(dict.fromkeys(steps))
    assert once == ["use_request", "head", "denials", "proof", "sealed bytes", "wrap", "append_log"]
    last = len(steps) - 1
    assert steps.index("append_log") == last
    assert steps[last - 1] == "denials", "the deny list is read again right before the entry, in one unit of work"
    assert steps.count("denials") == 2


# 1. The request


def test_a_request_signed_by_somebody_else_is_refused_and_uses_nothing_up(forge):
    request = forge.request()
    with pytest.raises(BadSignature):
        forge.release(request, by=forge.world.stranger)
    assert forge.release(request).items, "the journal's own request with the same nonce still counts"


def test_a_request_signed_for_another_ledger_is_refused(forge):
    request = forge.request()
    for domain in (Domain(1, forge.domain.registry), Domain(CHAIN_ID, forge.world.stranger.address)):
        signature = parse_signature(forge.world.journal.sign_typed(domain, request))
        with pytest.raises(BadSignature):
            forge.services.gate.release(request, signature)


@pytest.mark.parametrize("late", [-REQUEST_AGE - 1, REQUEST_AGE + 1])
def test_a_request_of_another_minute_is_refused(forge, late):
    with pytest.raises(Expired):
        forge.release(forge.request(at=forge.chain.now + late))
    assert releases(forge) == []


@pytest.mark.parametrize("late", [-REQUEST_AGE, REQUEST_AGE])
def test_a_request_of_this_minute_counts(forge, late):
    assert forge.release(forge.request(at=forge.chain.now + late)).items


def test_a_request_is_good_once(forge):
    request = forge.request()
    forge.release(request)
    with pytest.raises(Conflict):
        forge.release(request)
    forge.restart()
    with pytest.raises(Conflict):
        forge.release(request)


def test_a_refused_request_is_used_up_too(forge):
    request = forge.request(items=("photo.jpg",))
    with pytest.raises(NotAuthorised):
        forge.release(request)
    with pytest.raises(Conflict):
        forge.release(request)


def test_another_item_under_a_used_nonce_is_refused(forge):
    forge.release()
    with pytest.raises(Conflict):
        forge.release(forge.request(items=("ct.dcm",)))


# 2. The deny list


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (lambda p, now, grant: Revocation(p, (grant,)), "revoked"),
        (lambda p, now, grant: RevokeAll(p, now), "revoked"),
        (lambda p, now, grant: Suspension(p, True, now), "suspended"),
        (lambda p, now, grant: Closure(p), "closed"),
    ],
)
def test_a_withdrawal_that_is_not_mined_stops_a_release(forge, message, reason):
    forge.accept(message(forge.world.patient.address, forge.chain.now, forge.world.grant()))
    with pytest.raises(NotAuthorised) as refused:
        forge.release()
    assert refused.value.reason == reason
    assert releases(forge) == [("release", False, reason)]


# 3. The head


def test_a_stale_head_stops_a_release(forge):
    forge.chain.now += 37
    with pytest.raises(StaleLedger):
        forge.release()
    forge.mine()
    assert forge.release(forge.request(nonce="2")).items


def test_a_head_from_the_future_stops_a_release(forge):
    forge.chain.now -= 16
    with pytest.raises(StaleLedger):
        forge.release()


def test_a_head_that_went_back_stops_every_release(forge):
    forge.mine(2)
    forge.release()
    forge.chain.regress(1)
    for nonce in "23":
        with pytest.raises(WrongChain):
            forge.release(forge.request(nonce=nonce))
        forge.mine(3)


def test_a_node_out_of_reach_stops_a_release(forge):
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        forge.release()


def test_a_withheld_log_stops_a_release(forge):
    patient = forge.world.patient.address
    forge.chain.emit(Revoked(0, patient, struct_hash(forge.world.research_grant), patient))
    forge.chain.faults.logs = lambda found: []
    with pytest.raises(LedgerUnavailable):
        forge.release()


# 4. The proofs


def test_one_false_proof_is_asked_for_again(forge):
    forge.reason()
    forge.chain.faults.forge_proofs = 1
    assert forge.release().items


def test_false_proofs_stop_a_release(forge):
    forge.reason()
    forge.chain.faults.forge_proofs = -1
    with pytest.raises(LedgerUnavailable, match="proofs"):
        forge.release()
    assert releases(forge) == []


def proof_of(forge, change):
    """A node that answers questions for proofs with something else."""
    real = forge.chain.proof
    forge.reason()  # the index is up to date; only the gate asks from here on
    forge.chain.proof = lambda block, contract, slots: change(real, block, contract, slots)


def test_proofs_of_an_older_block_stop_a_release(forge):
    old, patient = forge.chain.head().hash, forge.world.patient.address
    forge.chain.emit(Revoked(0, patient, struct_hash(forge.world.grant()), patient))
    proof_of(forge, lambda real, block, contract, slots: real(old, contract, slots))
    with pytest.raises(LedgerUnavailable):
        forge.release()


def test_proofs_of_another_contract_stop_a_release(forge):
    proof_of(forge, lambda real, block, contract, slots: real(block, "CheckpointLog", slots))
    with pytest.raises(LedgerUnavailable):
        forge.release()


def test_proofs_that_leave_a_slot_out_stop_a_release(forge):
    def fewer(real, block, contract, slots):
        account, proofs = real(block, contract, slots)
        return account, proofs[1:]

    proof_of(forge, fewer)
    with pytest.raises(LedgerUnavailable):
        forge.release()


def test_an_absent_slot_passed_off_as_another_stops_a_release(forge):
    """The proof that something was never revoked, in place of the proof of what was."""
    patient = forge.world.patient.address
    forge.chain.emit(Revoked(0, patient, struct_hash(forge.world.grant()), patient))

    def exchanged(real, block, contract, slots):
        account, proofs = real(block, contract, slots)
        nowhere = real(block, contract, [NOWHERE])[1][0]
        return account, tuple(replace(proof, nodes=nowhere.nodes) for proof in proofs)

    proof_of(forge, exchanged)
    with pytest.raises(LedgerUnavailable):
        forge.release()


def test_other_code_stops_every_release(forge):
    forge.chain.faults.code["PolicyRegistry"] = NOWHERE
    forge.mine()
    with pytest.raises(WrongChain):
        forge.release()
    forge.chain.faults.code.clear()
    forge.mine()
    with pytest.raises(WrongChain):
        forge.release(forge.request(nonce="2"))


def test_other_code_that_only_the_gate_sees_closes_it(forge):
    """ConsentCheck aside, the index proves the same contracts; here the node changes its story in between."""
    forge.reason()
    contract = forge.deployment.contracts["Directory"]
    forge.deployment.contracts["Directory"] = replace(contract, code_hash=NOWHERE)
    with pytest.raises(WrongChain):
        forge.release()
    assert forge.reason() == "ledger_unavailable"


# 5. The decision, from proofs alone


def test_the_gate_does_not_believe_the_index(forge):
    w = forge.world
    unrecorded = w.grant(channels=("social:instagram",), salt=NOWHERE)
    with forge.store.begin() as tx:
        tx.add_consent(forge.consent_to(unrecorded), w.patient.address, b"\1" * 65, forge.chain.now)
    with forge.services.index.at_head() as snapshot:
        at = snapshot.head.timestamp - DAY
        snapshot.state.apply(Granted(at, w.patient.address, struct_hash(unrecorded), w.patient.address))
    assert forge.reason(channel="social:instagram") == "permitted", "the index in memory was tampered with"
    with pytest.raises(NotAuthorised):
        forge.release(forge.request(channel="social:instagram"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"items": ("photo.jpg",)}, "item_not_covered"),
        ({"items": ("narrative.md", "no-such-file")}, "item_not_covered"),
        ({"purpose": "teaching"}, "purpose_not_covered"),
        ({"purpose": "curiosity"}, "needs_review"),
        ({"channel": "social:instagram"}, "channel_not_covered"),
        ({"channel": "nowhere"}, "channel_not_covered"),
        ({"channel": ""}, "channel_not_covered"),
    ],
)
def test_what_is_not_covered_is_not_released(forge, change, reason):
    with pytest.raises(NotAuthorised) as refused:
        forge.release(forge.request(**change))
    assert refused.value.reason == reason
    assert releases(forge) == [("release", False, reason)]


def test_a_grant_for_everything_releases_only_what_there_is(make_forge):
    forge = make_forge(stage="registered")
    forge.consent(forge.world.grant(items=("*",)))
    forge.settle()
    assert len(forge.release(forge.request(items=("photo.jpg",))).items) == 1
    with pytest.raises(NotAuthorised):
        forge.release(forge.request(nonce="2", items=("photo.jpg", "no-such-file")))


def test_a_grant_that_is_not_deep_enough_releases_nothing(make_forge):
    forge = make_forge(stage="registered")
    forge.consent()
    forge.services.relays.pump()
    forge.mine()
    with pytest.raises(NotAuthorised) as refused:
        forge.release()
    assert refused.value.reason == "awaiting_confirmations"


def test_a_suspended_journal_receives_nothing(forge):
    forge.chain.emit(SuspensionChanged(0, forge.world.journal.address, True))
    with pytest.raises(NotAuthorised) as refused:
        forge.release()
    assert refused.value.reason == "recipient_suspended"


def test_without_every_steward_nothing_is_released(make_forge):
    forge = make_forge(stage="registered", stewards=("mother",))
    forge.consent()
    forge.settle()
    with pytest.raises(NotAuthorised) as refused:
        forge.release()
    assert refused.value.reason == "further_consent_needed"


def strangers_refusal(forge, record, nonce, by):
    request = forge.request(by=by, nonce=nonce, record=record)
    with pytest.raises(NotAuthorised) as refused:
        forge.release(request, by=by)
    return type(refused.value), str(refused.value), refused.value.reason, refused.value.code


@pytest.mark.parametrize("state", ["standing", "revoked"])
def test_a_stranger_cannot_tell_a_record_from_none(forge, state):
    if state == "revoked":
        forge.revoke()
    stranger = forge.world.stranger
    known = strangers_refusal(forge, forge.world.record_hash, "k", stranger)
    assert known == strangers_refusal(forge, NOWHERE, "u", stranger)
    assert known[2] == "no_consent"


# 6. The sealed bytes


def test_sealed_bytes_that_were_changed_are_not_released(forge):
    digest = forge.deposits[0].sealed
    data = bytearray(forge.vault.contents[digest])
    data[-1] ^= 1
    forge.vault.contents[digest] = bytes(data)
    with pytest.raises(InvalidProof, match="lost or changed"):
        forge.release()
    assert releases(forge) == []


def test_sealed_bytes_that_are_gone_are_not_released(forge):
    del forge.vault.contents[forge.deposits[1].sealed]
    with pytest.raises(InvalidProof, match="lost or changed"):
        forge.release()
    assert releases(forge) == []


# 7. The keys


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE items SET custody_wrap = (SELECT custody_wrap FROM items WHERE position = 2) WHERE position = 0",
        "UPDATE items SET custody_wrap = substr(custody_wrap, 1, length(custody_wrap) - 2) || 'AA'",
    ],
)
def test_a_kept_key_that_was_exchanged_or_changed_is_not_released(forge, tamper):
    with forge.store.begin() as tx:
        tx._db.exec_driver_sql(tamper)
    with pytest.raises(Refused):
        forge.release()
    assert releases(forge) == []


def test_an_item_exchanged_in_the_database_is_not_released(forge):
    """Whoever writes to the database cannot pass one item off as another: the controller signed the record."""
    with forge.store.begin() as tx:
        tx._db.exec_driver_sql("UPDATE items SET item = json_replace(item, '$.sha256', ?)", (NOWHERE,))
    assert forge.refusal(forge.release) in ("invalid_message", "bad_signature")


# 8. The log


def test_nothing_is_released_that_cannot_be_written_down(forge):
    forge.deafen()
    with pytest.raises(Unavailable, match="full"):
        forge.release()
    assert releases(forge) == []


# 9. The fence


class MeanwhileVault(MemoryVault):
    """Something happens while the sealed bytes are read: after the decision, before the hand-over."""

    def __init__(self, real, meanwhile):
        self.contents, self._meanwhile = real.contents, meanwhile

    def open(self, digest):
        self._meanwhile()
        return super().open(digest)


@pytest.mark.parametrize(
    "message",
    [
        lambda p, now, grant: Revocation(p, (grant,)),
        lambda p, now, grant: RevokeAll(p, now),
        lambda p, now, grant: Suspension(p, True, now),
        lambda p, now, grant: Closure(p),
    ],
)
def test_a_withdrawal_between_decision_and_hand_over_stops_the_release(forge, message):
    withdrawal = message(forge.world.patient.address, forge.chain.now, forge.world.grant())
    forge.restart(vault=MeanwhileVault(forge.vault, lambda: forge.accept(withdrawal)))
    with pytest.raises(LedgerUnavailable, match="Ask again"):
        forge.release()
    assert releases(forge) == []
    with pytest.raises(NotAuthorised):
        forge.release(forge.request(nonce="2"))


def test_a_stewards_withdrawal_between_decision_and_hand_over_stops_the_release(make_forge):
    forge = make_forge(stage="registered", stewards=("mother",))
    forge.consent()
    forge.consent(by=forge.world.mother)
    forge.settle()
    mother = forge.world.mother
    forge.restart(vault=MeanwhileVault(forge.vault, lambda: forge.accept(Closure(mother.address), by=mother)))
    with pytest.raises(LedgerUnavailable):
        forge.release()


def test_a_withdrawal_seen_on_the_chain_between_decision_and_hand_over_stops_the_release(forge):
    patient, grant = forge.world.patient.address, struct_hash(forge.world.grant())

    def meanwhile():
        forge.chain.emit(Revoked(0, patient, grant, patient))
        forge.reason()  # somebody asks, so the index sees it

    forge.restart(vault=MeanwhileVault(forge.vault, meanwhile))
    with pytest.raises(LedgerUnavailable):
        forge.release()


def test_somebody_elses_withdrawal_in_between_changes_nothing(forge):
    stranger = forge.world.stranger
    forge.claim(forge.invite(), by=stranger)
    forge.restart(vault=MeanwhileVault(forge.vault, lambda: forge.accept(Closure(stranger.address), by=stranger)))
    assert forge.release().items


# A release that takes long


def slowly(forge, meanwhile=lambda: None):
    """Checking the sealed bytes takes longer than the window between proof and hand-over."""

    def happens():
        forge.chain.now += WINDOW
        meanwhile()
        forge.mine()

    forge.restart(vault=MeanwhileVault(forge.vault, happens))


def test_a_slow_release_is_decided_again_and_handed_over(forge):
    slowly(forge)
    assert forge.release().items
    assert releases(forge) == [("release", True, "permitted")]


def test_a_revocation_on_the_chain_during_a_slow_release_stops_it(forge):
    """Nobody told the service; only a second look at the chain can know."""
    patient, grant = forge.world.patient.address, struct_hash(forge.world.grant())
    slowly(forge, lambda: forge.chain.emit(Revoked(0, patient, grant, patient), mine=False))
    with pytest.raises(NotAuthorised) as refused:
        forge.release()
    assert refused.value.reason == "revoked"
    assert releases(forge) == [("release", False, "revoked")]


def test_keys_wrapped_under_one_grant_are_not_handed_over_under_another(forge):
    forge.consent(forge.world.grant(salt=NOWHERE))
    forge.settle()
    patient, used = forge.world.patient.address, forge.ask().decision.grant
    slowly(forge, lambda: forge.chain.emit(Revoked(0, patient, used, patient), mine=False))
    with pytest.raises(LedgerUnavailable, match="Ask again"):
        forge.release()
    assert forge.release(forge.request(nonce="2")).decision.grant != used
