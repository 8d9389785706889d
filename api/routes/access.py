"""OpenID AuthZEN Authorization API 1.0: may this recipient do this with this record, now?"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response

from api.deps import signed_in
from api.quick import LARGE, MAX_BODY, Endpoint, Plain, json_response, parse_json, quick, receive_json
from api.services import Services
from ledger import vocabulary
from ledger.decisions import Reason
from ledger.errors import InvalidInput, InvalidMessage, NotAuthorised
from ledger.evidence import Question
from ledger.model import ZERO_ADDRESS, ZERO_HASH, Address, Hash, hash32
from ledger.ports import Transaction
from ledger.references import read_reference
from ledger.services.questions import Answer, Asked, require_writable
from ledger.tokens import make_token, read_token

ACTIONS = ("view", "publish", "use", "release")
Read = TypeVar("Read")
MAX_BATCH = 500
"""Questions in one request."""
MAX_PAGE = 100
"""Results of a search on one page."""
DEFAULTS = ("subject", "action", "resource", "context")
SEMANTICS: dict[str, bool | None] = {
    "execute_all": None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}
"""By name, the decision after which the rest is not answered."""
REASON_USER = {
    str(code): {language: vocabulary.reason(str(code), language) for language in vocabulary.LANGUAGES}
    for code in Reason
}
"""Each reason in plain words, by language (BCP 47)."""


class SignedInFirst(Plain):
    """Whoever is not signed in hears that before hearing what is wrong with the question."""

    def get_route_handler(self) -> Endpoint:
        """The endpoint, with that."""
        return partial(_answered, self.endpoint)


async def _answered(endpoint: Callable[..., Any], request: Request) -> Response:
    try:
        answer: Response = await endpoint(request)
    except InvalidInput:
        await to_thread.run_sync(_bearer(request).address)
        raise
    return answer


router = APIRouter(tags=["decisions"], route_class=SignedInFirst)


_TAKES: dict[str, Any] = {
    "dependencies": [Depends(signed_in)],
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {}}}},
}
"""What a route's entry in the OpenAPI document says of its body and of who may ask."""


@router.get("/.well-known/authzen-configuration")
async def configuration(request: Request) -> Response:
    """What this policy decision point serves."""
    url = request.app.state.services.settings.url
    return json_response(
        {
            "policy_decision_point": url,
            "access_evaluation_endpoint": f"{url}/access/v1/evaluation",
            "access_evaluations_endpoint": f"{url}/access/v1/evaluations",
            "search_subject_endpoint": f"{url}/access/v1/search/subject",
            "search_resource_endpoint": f"{url}/access/v1/search/resource",
            "search_action_endpoint": f"{url}/access/v1/search/action",
            "supported_obligations": ["custom"],
        }
    )


@router.post("/access/v1/evaluation", **_TAKES)
async def evaluation(request: Request) -> Response:
    """Answer one question. 200 for permit and deny alike; 400 for a question that cannot be understood."""
    use, who, body = await _received(request)
    return json_response(await _single(request, body, who, use))


@router.post("/access/v1/evaluations", **_TAKES)
async def evaluations(request: Request) -> Response:
    """Answer several questions in order, as of one block. What one leaves out is taken from the request itself.

    `options.evaluations_semantic` is `execute_all` (all are answered), `deny_on_first_deny` or `permit_on_first_permit`
    (the answers end with the first that denies, or permits). A question that cannot be understood is a denial.
    """
    use, who, body = await _received(request)
    given = _object(body, "the request").get("evaluations", [])
    if not isinstance(given, list) or len(given) > MAX_BATCH:
        raise InvalidMessage("evaluations", f"must be a list of at most {MAX_BATCH}")
    options = _object(body.get("options", {}), "options")
    semantic = options.get("evaluations_semantic", "execute_all")
    if not isinstance(semantic, str) or semantic not in SEMANTICS:
        raise InvalidMessage("options.evaluations_semantic", f"must be one of {', '.join(SEMANTICS)}")
    stop = SEMANTICS[semantic]
    if not given:
        return json_response(await _single(request, body, who, use))
    shared = {name: body[name] for name in DEFAULTS if name in body}
    if len(msgspec.json.encode(shared)) * len(given) > MAX_BODY:
        what = f"and what they leave out must not be larger than {MAX_BODY} bytes, counted once for each"
        raise InvalidMessage("evaluations", what)
    # In a thread: many take so long that everything else, withdrawals too, would have to wait.
    read = await to_thread.run_sync(lambda: [_tried({**shared, **_member(one)}, use) for one in given])
    if stop is False:
        read = read[: next((i + 1 for i, one in enumerate(read) if isinstance(one, InvalidInput)), len(read))]
    asked = [one for one in read if not isinstance(one, InvalidInput)]
    answers = iter(await _ask(asked, who, use, stop))
    told: list[dict[str, Any]] = []
    for one in read:
        if isinstance(one, InvalidInput):
            error = {"status": 400, "message": str(one)}
            told.append({"decision": False, "context": {"error": error}})
        elif (answer := next(answers, None)) is None:
            break
        else:
            told.append(shape(answer, use, one))
            if stop is answer.decision.permitted:
                break
    return json_response({"evaluations": told})


@router.post("/access/v1/search/subject", **_TAKES)
async def search_subject(request: Request) -> Response:
    """Which recipients may do this with this record now: all of them for its own parties, itself for a recipient."""
    use, who, body = await _received(request)
    kind = _text(_entity(_object(body, "the request"), "subject"), "subject", "type")
    asked = await _aside(
        request, lambda: read_search(body | {"subject": {"type": kind, "id": use.deployment.did(ZERO_ADDRESS)}}, use)
    )
    page = Page.read(body, str(asked))
    if asked is None or kind != "recipient":
        return json_response(await _nothing(who))

    def find() -> dict[str, Any]:
        found = use.questions.recipients(who.address(), asked.question)
        return page.cut([{"type": "recipient", "id": use.deployment.did(one)} for one in found])

    return await _found(find, use)


@router.post("/access/v1/search/resource", **_TAKES)
async def search_resource(request: Request) -> Response:
    """Which records a recipient may use like this now, as far as the asker may know of them."""
    use, who, body = await _received(request)
    kind = _text(_entity(_object(body, "the request"), "resource"), "resource", "type")
    asked = await _aside(request, lambda: read_search(body | {"resource": {"type": kind, "id": ZERO_HASH}}, use))
    page = Page.read(body, str(asked))
    if page.after:
        hash32(page.after, "page.token")
    if asked is None or kind != "record":
        return json_response(await _nothing(who))

    def find() -> dict[str, Any]:
        found, after = use.questions.records(who.address(), asked.question, page.after, page.limit)
        return page.shape([{"type": "record", "id": one} for one in found], after)

    return await _found(find, use)


@router.post("/access/v1/search/action", **_TAKES)
async def search_action(request: Request) -> Response:
    """What a recipient may do with a record now: each action with purpose, channel and, unless all, the items."""
    use, who, body = await _received(request)
    asked = await _aside(
        request, lambda: read_search({**_object(body, "the request"), "action": {"name": ACTIONS[0]}}, use)
    )
    page = Page.read(body, str(asked))
    if asked is None:
        return json_response(await _nothing(who))

    def find() -> dict[str, Any]:
        found = []
        for one in use.questions.uses(who.address(), asked.question):
            properties: dict[str, Any] = {"purpose": one.purpose}
            properties |= {"channel": one.channel} if one.channel else {}
            properties |= {"items": list(one.items)} if one.items else {}
            found += [{"name": name, "properties": properties} for name in ACTIONS]
        return page.cut(found)

    return await _found(find, use)


@dataclass(frozen=True)
class Who:
    """The bearer of a token, not looked up yet."""

    token: str
    use: Services

    def within(self, tx: Transaction) -> Address:
        """The address, found out within a unit of work; counted against its limit.

        Raises:
            NotAuthorised: unknown or expired. TooManyRequests: this party asks too often.
        """
        caller = self.use.sign_ins.known(tx, self.token)
        self.use.limits.party(caller)
        return caller

    def address(self) -> Address:
        """The same in a unit of work of its own."""
        with self.use.store.begin() as tx:
            return self.within(tx)


@dataclass(frozen=True)
class Wanted:
    """One evaluation request, read.

    Attributes:
        action: the name of the action.
        fresh, exact: the blocks of its consistency tokens.
        bound: the asker says that it can carry out obligations of type ``custom``.
    """

    question: Question
    action: str
    fresh: tuple[int, Hash] | None
    exact: tuple[int, Hash] | None
    bound: bool


async def _received(request: Request) -> tuple[Services, Who, Any]:
    """The use cases, who asks, and the request's JSON.

    Raises:
        NotAuthorised: there is no token. InvalidInput: not JSON.
    """
    use: Services = request.app.state.services
    who, data = _bearer(request), await receive_json(request)
    body, request.state.large = parse_json(data), len(data) > LARGE
    named = [one["resource"] for one in _resources(body) if _is_reference(one["resource"].get("id"))]
    if named:
        found = await to_thread.run_sync(use.references.records, {one["id"] for one in named})
        for one in named:
            one["id"] = found[one["id"]]
    return use, who, body


def _resources(body: Any) -> list[dict[str, Any]]:
    """The request and its questions, as far as they name a resource; what is wrong with them is found out later."""
    if not isinstance(body, dict):
        return []
    many = body.get("evaluations")
    every = [body, *(many[:MAX_BATCH] if isinstance(many, list) else ())]
    return [one for one in every if isinstance(one, dict) and isinstance(one.get("resource"), dict)]


def _is_reference(name: Any) -> bool:
    return isinstance(name, str) and read_reference(name) is not None


def _bearer(request: Request) -> Who:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthorised("Sign in first and send the token as a bearer token.", "not_signed_in")
    return Who(token.strip(), request.app.state.services)


async def _found(find: Callable[[], dict[str, Any]], use: Services) -> Response:
    with use.limits.heavy():
        return json_response(await to_thread.run_sync(find))


async def _nothing(who: Who) -> dict[str, Any]:
    """The answer to a search for what cannot exist."""
    await to_thread.run_sync(who.address)
    return {"page": {"next_token": ""}, "results": []}


async def _aside(request: Request, read: Callable[[], Read]) -> Read:
    """Read what may be large in a thread: everything else, withdrawals too, would have to wait for it."""
    return await to_thread.run_sync(read) if request.state.large else read()


async def _single(request: Request, body: Any, who: Who, use: Services) -> dict[str, Any]:
    wanted = await _aside(request, lambda: read_wanted(body, use))
    return shape((await _ask([wanted], who, use))[0], use, wanted)


async def _ask(wanted: list[Wanted], who: Who, use: Services, stop: bool | None = None) -> list[Answer]:
    asked = Asked(
        who.within,
        tuple(one.question for one in wanted),
        stop,
        tuple({one.fresh for one in wanted if one.fresh is not None}),
    )
    snapshots = {one.exact for one in wanted}
    if snapshots <= {None}:
        return await use.asked.hand(asked)
    exact = snapshots.pop()
    if snapshots or exact is None or asked.fresh:
        raise InvalidMessage("context.consistency", "must name one snapshot for all questions, and nothing else")
    with use.limits.heavy():  # the ledger of that time may have to be replayed
        return await to_thread.run_sync(lambda: use.questions.history(asked, exact))


def _member(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"subject": None}


def _tried(body: dict[str, Any], use: Services) -> Wanted | InvalidInput:
    try:
        return read_wanted(body, use)
    except InvalidInput as error:
        return error


def read_wanted(body: Any, use: Services) -> Wanted:
    """Read one evaluation request.

    Raises:
        InvalidInput: something is missing, of the wrong type, or could not be written down.
    """
    question = read_question(body, use)
    require_writable(question)
    context = _object(body.get("context", {}), "context")
    consistency = _object(context.get("consistency", {}), "context.consistency")
    fresh, exact = (
        read_token(use.deployment, consistency[name]) if name in consistency else None
        for name in ("at_least_as_fresh", "at_exact_snapshot")
    )
    declared = context.get("supported_obligations", [])
    bound = isinstance(declared, list) and "custom" in declared
    return Wanted(question, body["action"]["name"], fresh, exact, bound)


def read_search(body: dict[str, Any], use: Services) -> Wanted | None:
    """Read a search; None when it names what cannot exist here, which finds nothing and is no error.

    Raises:
        InvalidInput: something required is missing or of the wrong type.
    """
    for name, members in (("subject", ("type", "id")), ("action", ("name",)), ("resource", ("type", "id"))):
        entity = _entity(body, name)
        for member in members:
            _text(entity, name, member)
    kinds = body["subject"]["type"], body["resource"]["type"]
    try:
        use.deployment.party(body["subject"]["id"]), hash32(body["resource"]["id"], "resource.id")
    except InvalidInput:
        return None
    if kinds != ("recipient", "record") or body["action"]["name"] not in ACTIONS:
        return None
    wanted = read_wanted(body, use)
    if wanted.fresh or wanted.exact:
        raise InvalidMessage("context.consistency", "is for evaluations; a search is always about now")
    return wanted


@dataclass(frozen=True)
class Page:
    """Which part of the results is wanted.

    Attributes:
        after: the last result (or its place) of the page before.
        bound: a digest of the search, so that a token is good for no other.
    """

    after: str
    limit: int
    bound: str

    @classmethod
    def read(cls, body: dict[str, Any], search: str) -> "Page":
        """Read `page` of a search request.

        Raises:
            InvalidMessage: a limit that is none, or a token that is not of this search.
        """
        given = _object(body.get("page", {}), "page")
        limit = given.get("limit", MAX_PAGE)
        if type(limit) is not int or limit < 1:
            raise InvalidMessage("page.limit", "must be a whole number, at least 1")
        bound = hashlib.sha256(search.encode(errors="backslashreplace")).hexdigest()[:32]
        token, after = given.get("token", ""), ""
        if not isinstance(token, str):
            raise InvalidMessage("page.token", "must be text")
        if token:
            own, _, after = token.partition(".")
            if own != bound or not after:
                raise InvalidMessage("page.token", "belongs to another search")
        return cls(after, min(limit, MAX_PAGE), bound)

    def shape(self, results: list[dict[str, Any]], after: str) -> dict[str, Any]:
        """A page of results as AuthZEN wants it; `after` is "" on the last."""
        token = f"{self.bound}.{after}" if after else ""
        return {"page": {"next_token": token, "count": len(results)}, "results": results}

    def cut(self, results: list[dict[str, Any]]) -> dict[str, Any]:
        """This page of all results.

        Raises:
            InvalidMessage: the token names no place.
        """
        if not (self.after or "0").isascii() or not (self.after or "0").isdecimal() or len(self.after) > 9:
            raise InvalidMessage("page.token", "belongs to another search")
        first = int(self.after or 0)
        end = first + self.limit
        return self.shape(results[first:end], str(end) if end < len(results) else "")


def read_question(body: Any, use: Services) -> Question:
    """Read the AuthZEN vocabulary of DESIGN, section 7.

    Raises:
        InvalidInput: something required is missing or of the wrong type. Unknown members are ignored, as AuthZEN
            demands.
    """
    request = _object(body, "the request")
    subject, action, resource = (_entity(request, name) for name in ("subject", "action", "resource"))
    _text(subject, "subject", "type"), _text(subject, "subject", "id")
    if _text(action, "action", "name") not in ACTIONS:
        raise InvalidMessage("action.name", f"must be one of {', '.join(ACTIONS)}")
    _text(resource, "resource", "type")
    properties = _object(action.get("properties", {}), "action.properties")
    digests = {str(name): _digest(value) for name, value in _object(properties.get("digests", {}), "digests").items()}
    items = properties.get("items", [])
    if not isinstance(items, list) or not all(isinstance(name, str) for name in items):
        raise InvalidMessage("action.properties.items", "must be a list of item names")
    return Question(
        recipient=use.deployment.party(subject["id"]),
        record=hash32(_text(resource, "resource", "id"), "resource.id"),
        purpose=_optional(properties, "purpose"),
        channel=_optional(properties, "channel"),
        items=tuple(items),
        digests=digests,
        facts=_facts(_object(subject.get("properties", {}), "subject.properties")),
    )


def _facts(declared: dict[str, Any]) -> dict[str, Any]:
    """What the asker declares of itself. Which disease is a kind of which is not for the asker to say."""
    return {name: value for name, value in declared.items() if name != "ancestors"}


def shape(answer: Answer, use: Services, wanted: Wanted) -> dict[str, Any]:
    """An answer in AuthZEN's form; it is counted. Obligations are for those who said that they can carry them out."""
    decision, moment = answer.decision, answer.decision.moment
    use.metrics.decided(decision.reason)
    context: dict[str, Any] = {
        "reason": str(decision.reason),
        "reason_user": REASON_USER[str(decision.reason)],
        "evaluation": answer.id,
        "block": moment.number,
        "token": make_token(use.deployment, moment.number, moment.hash),
    }
    if decision.permitted:
        context["until"] = decision.until
        codes = [*decision.obligations, *(["state-consent"] if wanted.action == "publish" else [])]
        if wanted.bound:
            context["obligations"] = [
                {"id": f"o{n}", "type": "custom", "properties": {"action": code}} for n, code in enumerate(codes, 1)
            ]
        else:
            context["advice"] = codes
    return {"decision": decision.permitted, "context": context}


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidMessage(name, "must be an object")
    return value


def _entity(request: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in request:
        raise InvalidMessage(name, "is missing")
    return _object(request[name], name)


def _text(entity: dict[str, Any], parent: str, name: str) -> str:
    value = entity.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidMessage(f"{parent}.{name}", "must be text")
    return value


def _optional(properties: dict[str, Any], name: str) -> str:
    value = properties.get(name, "")
    if not isinstance(value, str):
        raise InvalidMessage(f"action.properties.{name}", "must be text")
    return value


def _digest(value: Any) -> Hash:
    if not isinstance(value, str) or not value.startswith("sha256:"):
        raise InvalidMessage("action.properties.digests", "must be sha256: and 64 hexadecimal digits")
    return hash32("0x" + value.removeprefix("sha256:"), "action.properties.digests")


QUICK = {f"/access/v1/{one.__name__}": quick(partial(_answered, one)) for one in (evaluation, evaluations)}
"""What answers POST without the framework, by path; the routes are there for its description."""
