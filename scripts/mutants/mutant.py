"""One small change to one contract file, and how it is named so that a later version of the file still knows it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

Tree = dict[str, Any]


@dataclass(frozen=True, order=True)
class Name:
    """What a mutant is known by: no line numbers, which change with every edit elsewhere."""

    file: str
    within: str  # the function, or the constant
    line: str
    change: str


@dataclass(frozen=True)
class Mutant:
    """A file with one change. Two mutants of one name do the same in two equal lines."""

    name: Name
    operator: str
    text: str


class Source:
    """A contract file and its syntax tree, whose places count bytes."""

    def __init__(self, file: str, text: str, tree: Tree) -> None:
        self.file, self.text, self.tree = file, text, tree
        self._bytes = text.encode()

    def mutant(self, operator: str, start: int, end: int, new: str) -> Mutant:
        """The mutant in which `new` stands between two places."""
        text = (self._bytes[:start] + new.encode() + self._bytes[end:]).decode()
        return Mutant(self.name(start, self.slice(start, end), new), operator, text)

    def mutant_of(self, operator: str, text: str, old: str, new: str) -> Mutant:
        """The mutant that another tool made."""
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.text, text, strict=False)))
        start = len(self.text[:same].encode())
        return Mutant(self.name(start, old, new), operator, text)

    def name(self, start: int, old: str, new: str) -> Name:
        """The name of a change at a place."""
        before = self._bytes.rfind(b"\n", 0, start) + 1
        after = self._bytes.find(b"\n", start)
        line = self._bytes[before : None if after < 0 else after].decode()
        return Name(self.file, self._within(start), _squeezed(line), f"{_squeezed(old)} → {_squeezed(new)}")

    def slice(self, start: int, end: int) -> str:
        """The text between two places."""
        return self._bytes[start:end].decode()

    def _within(self, place: int) -> str:
        for node in nodes(self.tree, "FunctionDefinition", "VariableDeclaration"):
            start, end = span(node)
            if start <= place < end:
                return str(node.get("name") or node.get("kind", ""))
        return ""


def nodes(tree: object, *types: str) -> Iterator[Tree]:
    """The nodes of some types, an outer one before those in it."""
    if isinstance(tree, dict):
        if tree.get("nodeType") in types:
            yield tree
        for child in tree.values():
            yield from nodes(child, *types)
    elif isinstance(tree, list):
        for child in tree:
            yield from nodes(child, *types)


def span(node: Tree) -> tuple[int, int]:
    """Where a node begins and ends."""
    start, length, _ = map(int, node["src"].split(":"))
    return start, start + length


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
