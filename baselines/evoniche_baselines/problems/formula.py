"""Formulas in conjunctive normal form, and their files in the DIMACS format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import CaseScorer
from evoniche._validators import whole

__all__ = ["Formula", "read_dimacs", "write_dimacs"]

_MOST_VARIABLES = 1 << 24  # a genome has a byte for each, in every member
_MOST_LITERALS = 1 << 28
_LARGEST_FILE = 1 << 30  # bytes


def _numbers(clauses: Iterable[Iterable[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, clause)) for clause in clauses)


@final
@attrs.frozen
class Formula(CaseScorer):
    """A formula in conjunctive normal form, which scores assignments: 1 for each clause that is satisfied, else 0.

    Args:
        variables: The number of variables; they count from 1.
        clauses: The literals of each clause: i where variable i must be true, -i where it must be false.

    Raises:
        ValueError: There is no clause, a clause is empty, or a literal is of no variable.

    >>> Formula(2, [(1, 2), (-1,)]).score(np.array([[True, False], [False, True]])) * 1
    array([[1, 0],
           [1, 1]])
    """

    variables: int = attrs.field(validator=whole(1))
    clauses: tuple[tuple[int, ...], ...] = attrs.field(
        repr=False, converter=_numbers
    )
    _literals: NDArray[np.int64] = attrs.field(init=False, repr=False, eq=False)

    @clauses.validator
    def _of_variables(self, _: object, clauses: tuple[tuple[int, ...], ...]) -> None:
        if not clauses:
            raise ValueError("a formula must have at least one clause.")
        for number, clause in enumerate(clauses, 1):
            if not clause:
                raise ValueError(f"clause {number} is empty: nothing satisfies it.")
            if wrong := [literal for literal in clause if not 1 <= abs(literal) <= self.variables]:
                raise ValueError(f"clause {number} must be of the variables 1 to {self.variables}, got {wrong[0]}.")

    def __attrs_post_init__(self) -> None:
        """Put the clauses into rows of one length: shorter ones repeat their first literal, which changes nothing."""
        longest = max(map(len, self.clauses))
        if longest * len(self.clauses) > _MOST_LITERALS:
            raise ValueError(f"{len(self.clauses):,} clauses of up to {longest:,} literals are more than a scorer "
                             f"holds, {_MOST_LITERALS:,} in all, where each counts as much as the longest.")
        rows = [(*clause, *clause[:1] * (longest - len(clause))) for clause in self.clauses]
        object.__setattr__(self, "_literals", np.array(rows, dtype=np.int64))

    def __len__(self) -> int:
        """Count the clauses."""
        return len(self.clauses)

    @property
    def cases(self) -> int:
        """How many clauses."""
        return len(self)

    def score(self, genomes: NDArray[np.bool_], cases: NDArray[np.intp] | None = None) -> NDArray[np.bool_]:
        """Score assignments of shape (n, variables) on some clauses, or all; shape (n, clauses)."""
        literals = self._literals if cases is None else self._literals[cases]
        satisfied = np.zeros((len(genomes), len(literals)), dtype=np.bool_)
        for literal in literals.T:  # (clauses,)
            satisfied |= genomes[:, np.abs(literal) - 1] == (literal > 0)
        return satisfied


def read_dimacs(path: str | Path) -> Formula:
    """Read a formula in the DIMACS format (cnf). A line `%` ends it, as in the files of SATLIB.

    Args:
        path: The file, of 1 GiB and 16,777,216 variables at most.

    Raises:
        ValueError: There is no such file, or it is not in this format; the message says in which line.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}.")
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(f"it is larger than {_LARGEST_FILE:,} bytes.")
        with path.open(errors="replace") as lines:
            return _parse(lines)
    except ValueError as error:
        raise ValueError(f"{path} is not a DIMACS file of a formula: {error}") from error


def write_dimacs(path: str | Path, formula: Formula, comment: str = "") -> None:
    """Write a formula in the DIMACS format (cnf).

    Args:
        path: The file; it is replaced if it is there.
        formula: The formula.
        comment: Text for the head of the file.
    """
    lines = [f"c {line}" for line in comment.splitlines()]
    lines.append(f"p cnf {formula.variables} {len(formula)}")
    lines += [" ".join(map(str, (*clause, 0))) for clause in formula.clauses]
    Path(path).write_text("\n".join(lines) + "\n")


def _parse(lines: Iterable[str]) -> Formula:
    numbered = ((number, line.split()) for number, line in enumerate(lines, 1))
    filled = ((number, words) for number, words in numbered if words and words[0] != "c")
    number, header = next(filled, (0, []))
    if header[:2] != ["p", "cnf"] or len(header) != 4 or not all(word.isdecimal() for word in header[2:]):
        raise ValueError(f"it must begin with a line 'p cnf VARIABLES CLAUSES', got {' '.join(header)[:40]!r}.")
    variables, announced = (_whole(word, number) for word in header[2:])
    if not 1 <= variables <= _MOST_VARIABLES:
        raise ValueError(f"line {number} must announce 1 to {_MOST_VARIABLES:,} variables, got {variables:,}.")
    clauses = list(_clauses(filled, variables))
    if len(clauses) != announced:
        raise ValueError(f"line {number} announces {announced} clauses, but there are {len(clauses)}.")
    return Formula(variables, clauses)


def _whole(word: str, number: int) -> int:
    """Read a whole number in line `number`; a word of more digits than any has is not turned into one."""
    if len(word) > 20:
        raise ValueError(f"line {number} must hold whole numbers of at most 19 digits, got {word[:20]}...")
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"line {number} must hold whole numbers, got {word[:40]!r}.") from None


def _clauses(numbered: Iterator[tuple[int, Sequence[str]]], variables: int) -> Iterator[list[int]]:
    """Yield the clauses. Each ends with 0, wherever its lines end; the last may lack the 0."""
    clause: list[int] = []
    for number, words in numbered:
        if words[0] == "%":
            break
        for word in words:
            literal = _whole(word, number)
            if abs(literal) > variables:
                raise ValueError(f"line {number} must be of the variables 1 to {variables}, got {literal}.")
            if literal:
                clause.append(literal)
            else:
                yield clause
                clause = []
    if clause:
        yield clause
