"""The common ground of the checks: calls of an operator and comparisons of its results."""


from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
import numpy as np
from array_api_compat import is_array_api_obj
from numpy.typing import ArrayLike, NDArray

from evoniche.arrays import namespace
from evoniche.batches import Batch, BatchType, take
from evoniche.population import NOBODY, Offspring, Population
from evoniche.randomness import generator, global_random_state, kept_global_randomness
from evoniche.roles import Replacement

MEMBERS, CASES = 7, 5


def require(holds: bool | np.bool, rule: str) -> None:
    """An `assert` that `python -O` keeps."""
    if not holds:
        raise AssertionError(rule)


def require_positions(chosen: Any, n: int, population: Population, where: str) -> None:
    integers = isinstance(chosen, np.ndarray) and chosen.dtype.kind in "iu" and chosen.shape == (n,)
    require(integers, f"{where}: must give an integer array of shape ({n},), got {chosen!r}")
    inside = np.all((chosen >= 0) & (chosen < len(population)))
    require(inside, f"{where}: must give positions from 0 to {len(population) - 1}, got {chosen!r}")


def require_kind(children: Batch, parents: Batch, where: str) -> None:
    require(type(children) is type(parents), f"{where}: must give a {type(parents)}, got a {type(children)}")
    require(len(children) == len(parents), f"{where}: must give {len(parents)} genomes, got {len(children)}")
    if is_array_api_obj(parents):
        kinds = [(str(batch.dtype), tuple(batch.shape)) for batch in (parents, children)]
        require(kinds[0] == kinds[1], f"{where}: must keep dtype and shape {kinds[0]}, got {kinds[1]}")


def call(
    operator: Any, verb: str, *inputs: Any, pickles: bool, drawn: bool = True, noisy: bool = False, where: str = ""
) -> Any:
    """Call the operator, which must leave its inputs as they are; pass it rng if `drawn`."""
    where = where or repr(operator)

    def use(operator: Any) -> Any:
        before = copy.deepcopy(inputs)
        result = getattr(operator, verb)(*inputs, **({"rng": generator(0)} if drawn else {}))
        require(same(inputs, before), f"{where}: {verb} must leave its inputs as they are")
        return result

    return repeat(operator, use, pickles=pickles, noisy=noisy, where=where)


def repeat(operator: Any, use: Callable[[Any], Any], *, pickles: bool, noisy: bool = False, where: str) -> Any:
    """Use the operator, and require the same result a second time and from its copy."""
    users = {"": operator, "on a second time": operator}
    if pickles:
        try:
            users["after pickling"] = pickle.loads(pickle.dumps(operator))
        except Exception as error:
            raise AssertionError(f"{where}: must pickle (pickles=False skips this): {error}") from error
    results = []
    for seed, (again, user) in enumerate(users.items()):
        with _global_randomness_kept(seed, where):
            results.append(use(user))
        require(noisy or same(results[0], results[-1]), f"{where}: must give the same {again}, with the same rng")
    return results[0]


@contextmanager
def _global_randomness_kept(seed: int, where: str) -> Iterator[None]:
    """Require that the global generators are not drawn from in the block, and restore them after it."""
    with kept_global_randomness():
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        before = global_random_state()
        try:
            yield
            after = global_random_state()
            kept = all(same(after[name], before[name]) for name in before)
            require(kept, f"{where}: must draw from rng alone, not from global randomness")
        except Exception as error:
            error.add_note(where)
            raise


def same(a: Any, b: Any) -> bool:
    """Tell whether batches, populations, offspring, or collections of them have the same contents."""
    if type(a) is not type(b):
        return False
    if is_array_api_obj(a):
        equal = a.dtype == b.dtype and a.shape == b.shape
        return equal and bool(namespace(a).all((a == b) | ((a != a) & (b != b))))  # NaN equals itself
    if isinstance(a, Population):
        contents = ("ids", "parents", "scores", "load", "means", "fitness", "genomes")
        return all(same(getattr(a, name), getattr(b, name)) for name in contents)
    if isinstance(a, Offspring):
        return same(attrs.astuple(a, recurse=False), attrs.astuple(b, recurse=False))
    if isinstance(a, Mapping):
        return same([*a.items()], [*b.items()])
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, BatchType) and type(a).__eq__ is object.__eq__:
        return pickle.dumps(a) == pickle.dumps(b)
    return bool(a == b)


def tables(cases: int | None) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Yield score tables of many kinds, each with its name."""
    rng = generator(0)
    graded = rng.random((MEMBERS, cases or CASES))
    tables = {
        "graded scores": graded,
        "binary scores": graded < 0.5,
        "scores of 0": 0 * graded,
        "one member with any score": graded * (np.arange(MEMBERS) == 2)[:, None],
        "members with equal scores": graded[[0] * MEMBERS],
        "two kinds of members": graded[[0, 0, 1, 0, 1, 1, 0]],
        "one member": graded[:1],
        "huge scores": 1e15 * graded,
        "tiny scores": 1e-15 * graded,
        "huge and tiny scores": graded * 10.0 ** rng.integers(-15, 15, size=graded.shape),
    }
    if cases is None:
        tables["one case"] = graded[:, :1]
    for dtype in (np.float32, np.float64):
        for name, scores in tables.items():
            yield f"{name} ({dtype.__name__})", scores.astype(dtype)


def populations(operator: Any, genomes: Batch | None, cases: int | None) -> Iterator[tuple[Population, str]]:
    """Yield populations of many kinds, whose ids are not their positions, each with its name."""
    for name, scores in tables(cases):
        population = Population(len(scores))
        scores = np.vstack([np.zeros_like(scores[:1]), scores])
        population.add(offspring(range(len(scores)), scores, genomes))
        population.remove(0)
        yield population, f"{operator!r} on {name}"


def offspring(ids: ArrayLike, scores: NDArray[np.floating], genomes: Batch | None, ask: int = 0) -> Offspring:
    """Make children whose scores, genomes and parents follow from their ids."""
    ids = np.array(ids, dtype=np.int64)
    return Offspring(
        genomes=ids.copy() if genomes is None else take(genomes, ids % len(genomes)),
        ids=ids,
        parents=np.maximum(ids[:, None] - [1, 2], NOBODY),
        ask=ask,
        seed=0,
        scores=scores[ids % len(scores)],
    )


def survivors(
    replacement: Replacement, *, scores: NDArray[np.floating], genomes: Batch | None, limit: int, where: str
) -> list[NDArray[np.int64]]:
    """Return the ids alive after each of several replacements."""
    population, given, alive = Population(limit), 0, []
    for ask, n in enumerate((1, 2, 1, limit + 2, 1, 3, 1, 1)):
        children = offspring(range(given, given + n), scores, genomes, ask)
        told, known, room = copy.deepcopy(children), {*population.ids, *children.ids}, min(limit, len(population) + n)
        replacement.replace(population, children)
        require(same(children, told), f"{where}: must leave the offspring as they are")
        require(len(population) == room, f"{where}: must leave {room} of {len(known)}, not {len(population)}")
        ids = population.ids.copy()
        require(len(known & {*ids}) == len(ids), f"{where}: nobody may come from elsewhere or twice, got ids {ids}")
        own = offspring(ids, scores, genomes)
        for name in ("scores", "genomes", "parents"):
            require(same(getattr(population, name), getattr(own, name)), f"{where}: all must keep their {name}")
        sums = population.scores.sum(axis=0)
        require(np.allclose(population.load, sums, atol=1e-6 * scores.max()), f"{where}: load must be that of scores")
        given += n
        alive.append(ids)
    return alive
