"""The changes gambit does not make: comparisons, logic, numbers, texts, arguments, emits, modifiers, assembly.

gambit turns `<=` into arithmetic only, which does not compile; every boundary is tested here or not at all.
"""

import re
from collections.abc import Iterator
from itertools import chain, pairwise

from scripts.mutants.mutant import Mutant, Source, Tree, nodes, span

# Of all that can stand for a comparison, whoever notices these three notices the rest.
SWAPS: dict[str, tuple[str, ...]] = {
    "<": ("<=", "!="),
    "<=": ("<", "=="),
    "==": ("<=", ">="),
    "!=": ("<", ">"),
    ">=": (">", "=="),
    ">": (">=", "!="),
    "&&": ("||",),
    "||": ("&&",),
    "&": ("|", "^"),
    "|": ("&", "^"),
    "^": ("&", "|"),
    "<<": (">>",),
    ">>": ("<<",),
    "+": ("-",),
    "-": ("+",),
}
ALWAYS = {"<": "false", "<=": "true", "==": "false", "!=": "true", ">=": "true", ">": "false"}
OPCODES = {
    "add": "sub",
    "sub": "add",
    "mul": "div",
    "div": "mul",
    "shl": "shr",
    "shr": "shl",
    "and": "or",
    "or": "and",
    "xor": "and",
    "lt": "gt",
    "gt": "lt",
    "eq": "xor",
    "iszero": "not",
    "not": "iszero",
    "byte": "shr",
    "mload": "calldataload",
    "calldataload": "mload",
    "mstore": "mstore8",
    "sload": "tload",
    "sstore": "tstore",
    "timestamp": "number",
    "caller": "origin",
    "gas": "gaslimit",
    "staticcall": "delegatecall",
}
COMMUTATIVE = {"add", "mul", "and", "or", "xor", "eq"}
NOTHING = "assert(true)"
_NUMBER = re.compile(r"0[xX][0-9a-fA-F_]+|[0-9][0-9_]*(?![0-9_.eE])")
_CONSTANT = re.compile(r"^    (\w+) internal constant (\w+)", re.MULTILINE)


def mutants(source: Source, constants: dict[str, dict[str, str]]) -> Iterator[Mutant]:
    """Every change these operators know.

    Args:
        constants: of each library, its constants with the one to take instead.
    """
    yield from _operations(source)
    yield from _literals(source)
    yield from _arguments(source)
    yield from _removals(source)
    yield from _constants(source, constants)
    yield from _assembly(source)


def neighbours(text: str) -> dict[str, str]:
    """Of each constant of a library, the next one of the same type; of the last, the first."""
    types: dict[str, list[str]] = {}
    for kind, name in _CONSTANT.findall(text):
        types.setdefault(kind, []).append(name)
    return {name: other for names in types.values() if len(names) > 1 for name, other in _ring(names)}


def _ring(names: list[str]) -> Iterator[tuple[str, str]]:
    return chain(pairwise(names), [(names[-1], names[0])])


def _operations(source: Source) -> Iterator[Mutant]:
    # A counter that goes up by one meets its end exactly.
    counted = {span(node["condition"]) for node in nodes(source.tree, "ForStatement")}
    for node in nodes(source.tree, "BinaryOperation"):
        left, right = span(node["leftExpression"]), span(node["rightExpression"])
        place = source.slice(left[1], right[0]).index(node["operator"]) + left[1]
        for other in SWAPS.get(node["operator"], ()):
            if other != "!=" or span(node) not in counted:
                yield source.mutant("operator", place, place + len(node["operator"]), other)
        if always := ALWAYS.get(node["operator"]):
            yield source.mutant("operator", *span(node), always)
        if node["operator"] in ("&&", "||"):
            for side in (left, right):
                yield source.mutant("one side", *span(node), source.slice(*side))
    for node in nodes(source.tree, "Conditional"):
        for branch in ("trueExpression", "falseExpression"):
            yield source.mutant("one branch", *span(node), source.slice(*span(node[branch])))
    for node in nodes(source.tree, "UnaryOperation"):
        if node["operator"] in ("!", "~"):
            yield source.mutant("no negation", *span(node), source.slice(*span(node["subExpression"])))


def _literals(source: Source) -> Iterator[Mutant]:
    for node in nodes(source.tree, "Literal"):
        start, end = span(node)
        text = source.slice(start, end)
        if node["kind"] == "bool":
            yield source.mutant("literal", start, end, "false" if text == "true" else "true")
        elif node["kind"] == "number" and (found := _NUMBER.match(text)):
            yield source.mutant("literal", start, start + found.end(), _more(found[0]))
        elif node["kind"] == "string":
            for part in re.finditer(r'"[^"]*"', text):
                yield source.mutant("literal", start + part.start(), start + part.end(), part[0][:-1] + 'x"')


def _more(number: str) -> str:
    digits = number.replace("_", "")
    return f"0x{int(digits, 16) + 1:0{len(digits) - 2}X}" if digits[1:2] in ("x", "X") else str(int(digits) + 1)


def _arguments(source: Source) -> Iterator[Mutant]:
    for node in nodes(source.tree, "FunctionCall", "YulFunctionCall"):
        if node.get("functionName", {}).get("name") in COMMUTATIVE:
            continue
        for one, other in pairwise(map(span, node["arguments"])):
            if source.slice(*one) != source.slice(*other):
                between = source.slice(one[1], other[0])
                swapped = source.slice(*other) + between + source.slice(*one)
                yield source.mutant("arguments", one[0], other[1], swapped)


def _removals(source: Source) -> Iterator[Mutant]:
    for node in nodes(source.tree, "EmitStatement", "RevertStatement", "Continue", "Break"):
        yield source.mutant("removed", *span(node), NOTHING)
    for node in nodes(source.tree, "Return"):
        if node.get("expression") is None:
            yield source.mutant("removed", *span(node), NOTHING)
    for function in nodes(source.tree, "FunctionDefinition"):
        for node in function["modifiers"] if function["kind"] != "constructor" else ():
            yield source.mutant("removed", *span(node), "")


def _constants(source: Source, constants: dict[str, dict[str, str]]) -> Iterator[Mutant]:
    for node in nodes(source.tree, "MemberAccess"):
        others = constants.get(str(node["expression"].get("name")), {})
        if other := others.get(node["memberName"]):
            yield source.mutant("constant", *span(node), f"{node['expression']['name']}.{other}")


def _assembly(source: Source) -> Iterator[Mutant]:
    for node in nodes(source.tree, "YulFunctionCall"):
        name: Tree = node["functionName"]
        if other := OPCODES.get(name["name"]):
            yield source.mutant("assembly", *span(name), other)
    for node in nodes(source.tree, "YulLiteral"):
        start, end = span(node)
        if node["kind"] == "number":
            yield source.mutant("assembly", start, end, _more(source.slice(start, end)))
    for node in nodes(source.tree, "YulExpressionStatement", "YulAssignment"):
        yield source.mutant("assembly", *span(node), "{ }")
    for node in nodes(source.tree, "YulIf"):
        for always in ("0", "1"):
            yield source.mutant("assembly", *span(node["condition"]), always)
