"""Which mutants there are, and a sample of them that is the same each time."""

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from ledger.errors import InvalidInput
from scripts.mutants import gambit, operators
from scripts.mutants.mutant import Mutant, Source
from scripts.mutants.workshop import CONTRACTS, Compiler, Sources


def registry(sources: Sources) -> frozenset[str]:
    """The files of which the registry consists."""
    return frozenset(sources.closure(f"{CONTRACTS}/ConsentRegistry.sol")) & frozenset(sources.mutable)


def named(sources: Sources, wanted: Sequence[str]) -> list[str]:
    """The files that can be mutated, or those of them that are asked for, by path or by name.

    Raises:
        InvalidInput: there is no such file.
    """
    found = [file for file in sources.mutable if not wanted or file in wanted or PurePosixPath(file).name in wanted]
    for name in wanted:
        if not any(name in (file, PurePosixPath(file).name) for file in found):
            known = ", ".join(PurePosixPath(file).name for file in sources.mutable)
            raise InvalidInput(f"There is no {name} to mutate. There are {known}.")
    return found


def mutants(
    sources: Sources, wanted: Iterable[str], compiler: Compiler, binary: Path, root: Path, folder: Path
) -> Iterator[Mutant]:
    """Every mutant of some files, each text once, in an order that is always the same.

    Args:
        root: where gambit finds the files.
        folder: where gambit may write.
    """
    libraries = {PurePosixPath(file).stem: text for file, text in sources.texts.items() if file in sources.mutable}
    constants = {name: operators.neighbours(text) for name, text in libraries.items()}
    for number, file in enumerate(sorted(wanted)):
        source = Source(file, sources.texts[file], compiler.tree(file, sources.texts[file]))
        made = [*operators.mutants(source, constants), *gambit.mutants(binary, root, source, folder / str(number))]
        yield from {mutant.text: mutant for mutant in made if mutant.text != source.text}.values()


def spread(found: Sequence[Mutant], seed: int) -> list[Mutant]:
    """All of them in an order in which any beginning is a fair sample: the files take turns."""
    by_file: dict[str, list[Mutant]] = {}
    for mutant in found:
        by_file.setdefault(mutant.name.file, []).append(mutant)
    for mutants_ in by_file.values():
        random.Random(seed).shuffle(mutants_)  # noqa: S311
    return [mutant for turn in zip_longest(*by_file.values()) for mutant in turn if mutant is not None]
