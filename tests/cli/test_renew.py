"""A form changes: the terminal shows what, word by word; she agrees again; the old consent ends, and not before."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.decisions import Reason
from ledger.documents import Form, Statement, Terms
from ledger.ports import Call
from ledger.typed_data import struct_hash
from scripts.commands.speaking import WORDS
from scripts.parties import publish, replace_form, replace_terms, transact
from wallet.renewal import renews

PAGE = Path(__file__).parents[2] / "wallet" / "web" / "src" / "languages"


class Forms:
    """A form that no other test offers, and a way to change it."""

    def __init__(self, town):
        self.town, self.client = town, town.client()
        hospital = town.keys["hospital"]
        self.secret = hospital.secret.reveal()
        self.form = publish(
            town.rpc_url, town.stack.deployment, self.secret, hospital.address, ["journal", "social:mastodon"],
            self.client,
        )  # fmt: skip

    def consented(self, channels=("journal",)):
        """A new consent under the form; gives the record and the grant."""
        folder, invitation = self.town.case()
        institution = self.town.institution()
        _, record = institution.register(folder, invitation)
        draft = institution.draft(record, self.form.hash, self.town.proposal(channels=list(channels)))
        patient = self.town.patient()
        relay = patient.agree(patient.offer(institution.offer(record, [draft])), [0])
        self.client.wait_for(relay, ("final",))
        return record, draft

    def change(self, material, **changes):
        """Replace the form: its first statement says something more."""
        old = self.form
        first, *rest = old.statements
        more = Statement(first.id, dict(first.text) | {"en": f"{first.text['en']} And {old.version} more."})
        new = replace(old, **({"version": old.version + 1, "statements": (more, *rest)} | changes))
        replace_form(self.town.rpc_url, self.town.stack.deployment, self.secret, old.hash, new, material, self.client)
        self.form = Form.from_json(self.client.get(f"/v1/documents/{new.hash}"))

    def new_terms(self, channel, **changes):
        """The terms of a channel of the form, in another version."""
        old = Terms.from_json(self.client.get(f"/v1/documents/{self.form.channels[channel].terms}"))
        text = dict(old.text) | {"en": f"{old.text['en']} Anybody may copy it."}
        return replace(old, **({"version": old.version + 1, "text": text} | changes))

    def states(self, record):
        views = self.town.institution()._client.get(f"/v1/records/{record}/grants")
        return {view["id"]: view["standing"] for view in views}

    def asked(self, record):
        return self.town.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason


def supersede(forms, old, new):
    """Replace a document on the chain, and nothing else."""
    call = Call("PolicyRegistry", "supersede", (bytes.fromhex(old[2:]), bytes.fromhex(new.hash[2:]), True))
    transact(forms.town.rpc_url, forms.town.stack.deployment, forms.secret, call)
    forms.client.post("/v1/documents", new.to_json())


@pytest.fixture(scope="module")
def forms(town):
    return Forms(town)


@pytest.mark.node
def test_she_agrees_again_under_a_new_form(volens, town, forms):
    record, old = forms.consented()
    name = struct_hash(old)
    renew = ("wallet", "renew", name, *town.wallet)
    volens(*renew, "--yes").refused(2, "has not changed")
    forms.change(material=True)
    asked = volens(*renew)
    assert (asked.code, "nobody to ask" in asked.err) == (2, True)
    assert forms.states(record) == {name: "form_superseded"}, "nothing was signed"
    assert "does not count any more" in asked.out
    assert "{+And 1 more.+}" in asked.out
    assert old.summary in asked.out
    done = volens(*renew, "--yes", "--json").json
    assert (done["replaces"], done["ended"]) == (name, True)
    assert forms.states(record) == {name: "revoked", done["grant"]: "granted"}
    assert forms.asked(record) == "permitted"
    volens(*renew, "--yes").refused(2, "has ended")
    lines = volens("wallet", "show", *town.wallet).out.splitlines()
    states = {line.split("\t")[-1]: line.split("\t")[-2] for line in lines}
    assert (states[name], states[done["grant"]]) == ("Ended: replaced by your newer consent", "In force")


@pytest.mark.node
def test_what_was_interrupted_is_finished_and_nothing_is_lost_in_between(volens, town, forms):
    record, old = forms.consented()
    name = struct_hash(old)
    forms.change(material=False)
    renew = ("wallet", "renew", name, *town.wallet, "--yes")
    begun = volens(*renew, "--no-wait", "--json").json
    assert begun["ended"] is False, "the new one is not recorded yet, and the old one counts"
    assert forms.asked(record) == "permitted"
    town.client().wait_for(begun["relays"][0]["id"], ("final",))
    assert forms.states(record) == {name: "granted", begun["grant"]: "granted"}
    finished = volens(*renew)
    assert finished.code == 0
    assert "You have agreed again" in finished.out
    assert "The old consent has ended." in finished.out
    assert forms.states(record) == {name: "revoked", begun["grant"]: "granted"}
    assert forms.asked(record) == "permitted"


@pytest.mark.node
def test_who_stops_one_of_two_consents_to_the_same_stops_both(volens, town, forms):
    record, old = forms.consented()
    forms.change(material=False)
    begun = volens("wallet", "renew", struct_hash(old), *town.wallet, "--yes", "--no-wait", "--json").json
    town.client().wait_for(begun["relays"][0]["id"], ("final",))
    assert volens("wallet", "revoke", begun["grant"], *town.wallet, "--yes").code == 0
    assert forms.states(record) == {struct_hash(old): "revoked", begun["grant"]: "revoked"}
    assert forms.asked(record) == "revoked"


@pytest.mark.node
def test_less_than_before_is_still_the_renewal_of_the_old(volens, town, forms):
    record, old = forms.consented(("journal", "social:mastodon"))
    forms.change(material=True)
    renew = ("wallet", "renew", struct_hash(old), *town.wallet, "--yes")
    volens(*renew, "--channel", "blog").refused(2, "Nobody asks for the place")
    done = volens(*renew, "--channel", "journal", "--language", "de", "--json").json
    made = next(grant for c in town.patient().book.cases for grant in c.grants if struct_hash(grant) == done["grant"])
    assert (made.channels, renews(made, old)) == (("journal",), True)
    assert "darf" in made.summary
    assert forms.states(record)[done["grant"]] == "granted"


@pytest.mark.node
def test_a_place_of_which_the_new_form_says_nothing_can_be_left_out(volens, town, forms):
    _, old = forms.consented(("journal", "social:mastodon"))
    full = forms.form.channels
    forms.change(material=True, channels={"journal": full["journal"]})
    renew = ("wallet", "renew", struct_hash(old), *town.wallet, "--yes")
    volens(*renew).refused(2, "says nothing of social:mastodon")
    assert volens(*renew, "--channel", "journal").code == 0
    forms.change(material=True, channels=full)


@pytest.mark.node
def test_terms_that_changed_are_agreed_to_again_like_a_form(volens, town, forms, tmp_path):
    record, old = forms.consented(("journal", "social:mastodon"))
    new = forms.new_terms("social:mastodon")
    (tmp_path / "terms.json").write_bytes(new.to_bytes())
    on_chain = ("--rpc-url", town.rpc_url, "--deployment", town.facts)
    replacing = ("form", "replace-terms", forms.form.hash, "terms.json", *on_chain)
    volens(*replacing, *town.key("stranger")).refused(2, "The terms are of")
    done = volens(*replacing, *town.key("hospital"), "--json").json
    assert volens(*replacing, *town.key("hospital"), "--json").json == done, "asking again goes on"
    forms.form = Form.from_json(forms.client.get(f"/v1/documents/{done['form']}"))
    assert forms.form.channels["social:mastodon"].terms == done["terms"]["social:mastodon"] == new.hash
    assert forms.states(record) == {struct_hash(old): "granted"}, "what is allowed elsewhere goes on"
    assert forms.asked(record) == "permitted"
    renew = ("wallet", "renew", struct_hash(old), *town.wallet)
    asked = volens(*renew).out
    assert "It does not count any more for:" in asked
    assert "{+Anybody may copy it.+}" in asked
    made = volens(*renew, "--yes", "--json").json
    assert forms.states(record) == {struct_hash(old): "revoked", made["grant"]: "granted"}


@pytest.mark.node
def test_terms_that_changed_without_a_form_are_shown(volens, town, forms):
    _, old = forms.consented(("social:mastodon",))
    new = forms.new_terms("social:mastodon")
    supersede(forms, forms.form.channels["social:mastodon"].terms, new)
    shown = volens("wallet", "renew", struct_hash(old), *town.wallet, "--yes")
    assert (shown.code, "no new form yet" in shown.err) == (2, True)
    assert "{+Anybody may copy it.+}" in shown.out
    # The institution follows with a form that names them.
    hospital = town.keys["hospital"].secret.reveal()
    forms.form = replace_terms(
        town.rpc_url, town.stack.deployment, hospital, forms.form.hash, [new], True, forms.client
    )
    assert volens("wallet", "renew", struct_hash(old), *town.wallet, "--yes").code == 0


@pytest.mark.node
def test_it_can_be_signed_for_the_institution_to_record(volens, town, forms, tmp_path):
    record, old = forms.consented()
    forms.change(material=True)
    renew = ("wallet", "renew", struct_hash(old), *town.wallet, "--yes")
    kept = volens(*renew, "--out", "renewal.json", "--json").json
    signed = json.loads((tmp_path / "renewal.json").read_text())
    assert signed["type"] == "Consent"
    assert (kept["ended"], forms.states(record)) == (False, {struct_hash(old): "form_superseded"})


@pytest.mark.node
def test_the_list_is_in_her_language(volens, town, forms):
    _, old = forms.consented()
    forms.change(material=True)
    shown = volens("wallet", "show", *town.wallet, "--language", "de").out
    row = next(line for line in shown.splitlines() if struct_hash(old) in line)
    assert "Beendet: Das Formular hat sich geändert" in row
    assert shown.startswith("Fall\twer")
    volens("wallet", "show", *town.wallet, "--language", "fr").refused(2, "no sentences in this language")


@pytest.mark.parametrize("language", WORDS)
def test_states_and_reasons_are_said_as_on_the_page(language):
    text = (PAGE / f"{language}.ts").read_text(encoding="utf-8")
    page = dict(re.findall(r'^  "((?:state|reason)\.[a-z_]+)": "(.*)",$', text, re.M))
    ours = {key: words for key, words in WORDS[language].items() if key in page}
    assert ours == {key: page[key] for key in ours}
    assert {f"reason.{reason}" for reason in Reason} <= set(ours)
    assert len(ours) >= 36
