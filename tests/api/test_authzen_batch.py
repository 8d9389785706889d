"""AuthZEN batches, searches, snapshots of the past, and obligations; questions of many are answered together."""

import asyncio
import copy

import pytest
from sqlalchemy import event

from api.gathering import Gatherer
from api.services import MOST_QUESTIONS as MOST
from ledger.errors import NotAuthorised, Unavailable
from ledger.evidence import Question
from ledger.model import Revocation, to_hash
from ledger.services.questions import Asked
from ledger.tokens import make_token
from ledger.typed_data import recover
from scripts.vector_sources.world import CHAIN_ID, phrase

NOWHERE = to_hash(phrase("a record that does not exist"))
BATCH = "/access/v1/evaluations"
SEARCH = "/access/v1/search/"


@pytest.fixture
def w(web):
    return web.forge.world


def did(key):
    return f"did:pkh:eip155:{CHAIN_ID}:{key.address}"


def action(purpose="case-report", channel="journal", items=("narrative.md",)):
    return {"name": "publish", "properties": {"purpose": purpose, "channel": channel, "items": list(items)}}


def base(w, **more):
    return {
        "subject": {"type": "recipient", "id": did(w.journal)},
        "action": action(),
        "resource": {"type": "record", "id": w.record_hash},
    } | more


YES, NO = {}, {"action": action("teaching")}
ODD = {"resource": {"type": "record"}}


def batch(web, w, items, semantic=None, by=None, **more):
    options = {"options": {"evaluations_semantic": semantic}} if semantic else {}
    return web.post(BATCH, base(w, evaluations=items, **options, **more), by or w.journal)


@pytest.mark.parametrize(
    ("semantic", "items", "expected"),
    [
        (None, [YES, NO, YES], [True, False, True]),
        ("execute_all", [NO, ODD, YES], [False, False, True]),
        ("deny_on_first_deny", [YES, NO, YES], [True, False]),
        ("deny_on_first_deny", [YES, ODD, YES], [True, False]),
        ("deny_on_first_deny", [YES, YES], [True, True]),
        ("permit_on_first_permit", [NO, ODD, YES, NO], [False, False, True]),
        ("permit_on_first_permit", [NO, NO], [False, False]),
    ],
)
def test_a_batch_is_answered_in_order_and_as_far_as_its_semantic_says(web, w, semantic, items, expected):
    before = len(web.forge.log())
    answer = batch(web, w, items, semantic)
    assert (answer.status_code, [one["decision"] for one in answer.json()["evaluations"]]) == (200, expected)
    answered = [one for one in answer.json()["evaluations"] if "error" not in one["context"]]
    logged = web.forge.log()[before:]
    assert [one["context"]["evaluation"] for one in answered] == [entry["id"] for entry in logged]
    assert len({one["context"]["block"] for one in answered}) == 1


def test_what_is_wrong_with_one_question_is_said_there(web, w):
    said = batch(web, w, [ODD, 1]).json()["evaluations"]
    assert [one["context"]["error"]["status"] for one in said] == [400, 400]
    assert "resource.id" in said[0]["context"]["error"]["message"]


@pytest.mark.parametrize("items", [None, []])
def test_without_questions_a_batch_is_a_single_question(web, w, items):
    body = base(w) if items is None else base(w, evaluations=items)
    assert web.post(BATCH, body, w.journal).json()["decision"] is True


@pytest.mark.parametrize(
    "more",
    [
        {"evaluations": {}},
        {"evaluations": [{}] * 501},
        {"evaluations": [{}], "options": 1},
        {"evaluations": [{}], "options": {"evaluations_semantic": "some"}},
        {"evaluations": [{}], "options": {"evaluations_semantic": []}},
    ],
)
def test_a_batch_that_cannot_be_understood_is_refused_as_a_whole(web, w, more):
    answer = web.post(BATCH, base(w) | more, w.journal)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")


# Searches


def found(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_searches_find_what_is_permitted_now_and_no_more(web, w):
    assert found(web.post(SEARCH + "subject", base(w, subject={"type": "recipient"}), w.hospital)) == [
        {"type": "recipient", "id": did(w.journal)}
    ]
    assert found(web.post(SEARCH + "resource", base(w, resource={"type": "record"}), w.journal)) == [
        {"type": "record", "id": w.record_hash}
    ]
    body = base(w)
    del body["action"]
    actions = found(web.post(SEARCH + "action", body, w.journal))
    assert {one["name"] for one in actions} == {"view", "publish", "use", "release"}
    for one in actions:  # each is what an evaluation permits
        assert web.post("/access/v1/evaluation", base(w, action=one), w.journal).json()["decision"], one
    web.send("/v1/revocations", Revocation(w.patient.address, (w.grant(),)), w.patient)
    assert found(web.post(SEARCH + "subject", base(w), w.hospital)) == []
    assert found(web.post(SEARCH + "resource", base(w), w.journal)) == []
    assert found(web.post(SEARCH + "action", body, w.journal)) == []


def test_a_search_tells_an_outsider_nothing_and_the_patient_of_it(web, w):
    for kind in ("subject", "resource", "action"):
        assert found(web.post(SEARCH + kind, base(w), w.stranger)) == [], kind
    assert [entry["kind"] for entry in web.forge.log() if entry["asker"] == w.stranger.address] == ["search"] * 2


@pytest.mark.parametrize("kind", ["subject", "resource", "action"])
def test_what_cannot_exist_is_not_found_and_what_is_missing_is_refused(web, w, kind):
    for target, value in (("subject", "nobody"), ("resource", "0x12")):
        if target != kind:
            odd = base(w, **{target: base(w)[target] | {"id": value}})
            assert found(web.post(SEARCH + kind, odd, w.journal)) == [], target
        odd = base(w, **{target: base(w)[target] | {"type": "other"}})
        assert found(web.post(SEARCH + kind, odd, w.journal)) == [], target
    for missing in {"subject", "action", "resource"} - ({"action"} if kind == "action" else set()):
        body = base(w)
        del body[missing]
        assert web.post(SEARCH + kind, body, w.journal).status_code == 400
    for page in (1, {"limit": 0}, {"limit": "1"}, {"token": 1}, {"token": "x"}, {"token": "x.1"}):
        assert web.post(SEARCH + kind, base(w, page=page), w.journal).status_code == 400, page


def test_a_search_goes_on_where_the_page_ended_and_only_for_the_same_search(web, w):
    body = base(w)
    del body["action"]
    whole = found(web.post(SEARCH + "action", body, w.journal))
    parts, token = [], ""
    while True:
        page = web.post(SEARCH + "action", body | {"page": {"limit": 3, "token": token}}, w.journal).json()
        parts += page["results"]
        if not (token := page["page"]["next_token"]):
            break
        last = token
    assert parts == whole
    other = body | {"subject": {"type": "recipient", "id": did(w.hospital)}, "page": {"token": last}}
    assert web.post(SEARCH + "action", other, w.journal).status_code == 400


# The past


def test_the_past_and_searches_are_heavy_and_wait_for_a_place(web, w):
    head = web.forge.chain.head()
    context = {"consistency": {"at_exact_snapshot": make_token(web.forge.deployment, head.number, head.hash)}}
    limits = web.forge.services.limits
    limits._heavy = 1
    for path, body in (
        ("/access/v1/evaluation", base(w, context=context)),
        (SEARCH + "action", {k: base(w)[k] for k in ("subject", "resource")}),
    ):
        with limits.heavy():
            refused = web.post(path, body, w.journal)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert web.post(path, body, w.journal).status_code == 200
        assert limits._working == 0, "the place is given back"
    with limits.heavy():
        assert web.post("/access/v1/evaluation", base(w), w.journal).json()["decision"]


def test_the_past_answers_as_of_its_block_but_never_permits_what_is_withdrawn_since(web, w):
    forge = web.forge

    def ask(token, **more):
        context = {"consistency": {"at_exact_snapshot": token}}
        return web.post("/access/v1/evaluation", base(w, context=context, **more), w.journal)

    head = forge.chain.head()
    early = forge.chain.header(1)
    forge.mine(3)
    permitted = ask(make_token(forge.deployment, head.number, head.hash)).json()
    assert (permitted["decision"], permitted["context"]["block"]) == (True, head.number)
    assert forge.log()[-1]["kind"] == "history"
    before = ask(make_token(forge.deployment, early.number, early.hash)).json()
    assert (before["decision"], before["context"]["block"]) == (False, early.number)
    forge.revoke()
    forge.settle()
    assert ask(make_token(forge.deployment, head.number, head.hash)).json()["context"]["reason"] == "revoked"
    for number, block, status in ((head.number, NOWHERE, 400), (early.number, NOWHERE, 400), (10**6, NOWHERE, 503)):
        assert ask(make_token(forge.deployment, number, block)).status_code == status, number
    gone = forge.chain.head()
    forge.chain.reorganise(1)
    assert ask(make_token(forge.deployment, gone.number, gone.hash)).status_code == 400


# Obligations


def test_obligations_are_for_those_who_can_carry_them_out(web, w):
    plain = web.post("/access/v1/evaluation", base(w), w.journal).json()["context"]
    assert "obligations" not in plain
    assert plain["advice"] == ["onward:quote", "stop-new-use-when-revoked", "state-consent"]
    able = base(w, context={"supported_obligations": ["custom"]})
    bound = web.post("/access/v1/evaluation", able, w.journal).json()["context"]
    assert [one["properties"]["action"] for one in bound["obligations"]] == plain["advice"]
    assert "advice" not in bound
    denied = web.post("/access/v1/evaluation", able | {"action": action("teaching")}, w.journal).json()
    assert not {"advice", "obligations"} & denied["context"].keys()


# The same work for what is there and what is not


def test_an_outsiders_question_costs_the_same_whether_the_record_exists(web, w, monkeypatch):
    forge, work = web.forge, []
    engine = forge.store._engine
    event.listen(engine, "before_cursor_execute", lambda *args: work.append(args[2].split("(")[0]))
    monkeypatch.setattr("ledger.typed_data.recover", lambda *args: work.append("recover") or recover(*args))
    asked = []
    for record in (w.record_hash, NOWHERE, w.record_hash, NOWHERE):
        forge.mine()
        with forge.services.index.at_head():
            pass
        work.clear()
        forge.ask(by=w.stranger, record=record)
        # subtrees of the log that an entry completes depend on its place, not on the question
        asked.append([step for step in work if "log_nodes" not in step and "SELECT log.leaf" not in step])
    assert asked[0] == asked[1] == asked[2] == asked[3]
    assert "recover" in asked[1]


# Many at once


def test_questions_that_arrive_together_are_answered_in_one_unit_of_work(forge):
    w, begun = forge.world, []
    begin = forge.store.begin
    question = w.question()

    def unknown(_):
        raise NotAuthorised("Sign in again.", "not_signed_in")

    def counted():
        begun.append(1)
        return begin()

    forge.services.store.begin = counted
    forge.ask()  # reads the newest block
    before = len(forge.log())
    begun.clear()
    asked = [Asked(lambda _: w.journal.address, (question,)) for _ in range(50)]
    outcomes = forge.services.questions.answer([*asked, Asked(unknown, (question,))])
    assert len(begun) == 1
    assert all(outcome[0].decision.permitted for outcome in outcomes[:50])
    assert isinstance(outcomes[50], NotAuthorised)
    forge.services.store.begin = begin
    assert len(forge.log()) == before + 50
    ids = [outcome[0].id for outcome in outcomes[:50]]
    assert [entry["id"] for entry in forge.log()[before:]] == ids


def test_what_is_wrong_with_one_is_not_the_others_problem(forge):
    def broken(_):
        raise ZeroDivisionError

    question = forge.world.question()
    good = Asked(lambda _: forge.world.journal.address, (question,))
    with pytest.raises(ZeroDivisionError):
        forge.services.questions.answer([good, Asked(broken, (question,))])
    assert forge.services.questions.answer([good, good])[1][0].decision.permitted


def test_without_a_log_nobody_of_a_group_is_answered(forge):
    services = forge.deafen()
    good = Asked(lambda _: forge.world.journal.address, (forge.world.question(),))
    assert all(isinstance(one, Unavailable) for one in services.questions.answer([good, good]))


def test_a_group_takes_what_waits_and_nobody_is_lost(forge):
    question = Question(forge.world.journal.address, NOWHERE, "x")
    sizes = []

    def answer(asked):
        sizes.append(len(asked))
        if any(one.stop for one in asked):
            raise Unavailable("no")
        return [[copy.copy(one)] for one in asked]

    async def play():
        gatherer = Gatherer(answer, MOST, lambda one: len(one.questions))
        asked = [Asked(lambda _: "", (question,)) for _ in range(MOST + 10)]
        told = await asyncio.gather(*(gatherer.hand(one) for one in asked))
        assert [one for (one,) in told] == asked
        failed = await asyncio.gather(gatherer.hand(Asked(lambda _: "", (question,), True)), return_exceptions=True)
        assert isinstance(failed[0], Unavailable)
        assert await gatherer.hand(asked[0]) == [asked[0]]

    asyncio.run(play())
    assert max(sizes) <= MOST
    assert len(sizes) <= 5


def test_those_who_ask_together_again_are_answered_together_and_who_asks_alone_waits_for_nobody(monkeypatch, w):
    monkeypatch.setattr("api.gathering.LINGER", 1000)  # so long that a test would be seen to hang
    sizes = []

    def answer(asked):
        sizes.append(len(asked))
        return [[one] for one in asked]

    async def play():
        gatherer = Gatherer(answer, MOST, lambda one: len(one.questions))
        asked = Asked(lambda _: "", (w.question(),))
        await gatherer.hand(asked)
        await gatherer.hand(asked)
        await asyncio.gather(*(gatherer.hand(asked) for _ in range(3)))
        first = asyncio.create_task(gatherer.hand(asked))
        for _ in range(5):
            await asyncio.sleep(0)  # it alone is there: a group without lingering would leave now
        await asyncio.gather(first, gatherer.hand(asked), gatherer.hand(asked))

    asyncio.run(asyncio.wait_for(play(), 10))
    assert sizes == [1, 1, 3, 3]
