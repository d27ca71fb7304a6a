"""Any Python object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import attrs
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evoniche.arrays import is_array_api_obj
from evoniche.batches import Batch
from evoniche.roles import G, Genome

__all__ = ["ObjectGenome"]


@final
@attrs.frozen
class ObjectGenome(Genome[G]):
    """Represent a solution by any Python object that your functions understand; a batch is a list of them.

    The objects may be strings, trees, dataclasses or arrays of different lengths.

    Args:
        create: A function `f(rng)` that makes one random object.
        measure: A function `f(a, b)` that returns the distance between two objects, >= 0; needed for distances only.
        encode: A function `f(genome) -> str`, such as `json.dumps`; needed for saving only. The text may not end in
            a null character.
        decode: The inverse of `encode`, a function `f(str) -> genome`, such as `json.loads`.

    >>> from evoniche.randomness import generator
    >>> words = ObjectGenome(lambda rng: "ab"[rng.integers(2)] * int(rng.integers(1, 4)))
    >>> all(set(word) <= {"a", "b"} for word in words.sample(3, rng=generator(0)))
    True
    """

    create: Callable[[Generator], G]
    measure: Callable[[G, G], float] | None = attrs.field(default=None, kw_only=True)
    encode: Callable[[G], str] | None = attrs.field(default=None, kw_only=True)
    decode: Callable[[str], G] | None = attrs.field(default=None, kw_only=True)

    def sample(self, n: int, *, rng: Generator) -> list[G]:
        """Make a list of n random objects."""
        return [self.create(rng) for _ in range(n)]

    def batch(self, genomes: Any) -> list[G]:
        """Turn a user's genomes into a list; each row of an array is a genome.

        Raises:
            ValueError: The genomes are neither a sequence nor an array.
        """
        sequence = isinstance(genomes, Sequence) and not isinstance(genomes, str | bytes)
        if not sequence and not (is_array_api_obj(genomes) and genomes.ndim):
            raise ValueError(f"ObjectGenome: the genomes must be a list, got {type(genomes).__name__}.")
        return list(genomes)

    def distance(self, a: Batch, b: Batch) -> NDArray[np.floating]:
        """Measure each pair, shape (len(a), len(b)).

        Raises:
            NotImplementedError: No `measure` was given.
        """
        if self.measure is None:
            raise NotImplementedError("ObjectGenome(measure=...) is needed for distances: a function f(a, b).")
        return np.array([[self.measure(x, y) for y in b] for x in a], dtype=np.float64).reshape(len(a), len(b))

    def pack(self, batch: Batch) -> Mapping[str, NDArray[np.generic]]:
        """Return the batch as one array of text named "genomes".

        Raises:
            NotImplementedError: No `encode` was given.
            TypeError: It returned something else than a string.
            ValueError: It returned a string that ends in a null character, which numpy would cut off.
        """
        if self.encode is None:
            raise NotImplementedError("ObjectGenome(encode=..., decode=...) are needed for saving: functions from a "
                                      "genome to a string and back.")
        texts = [self.encode(genome) for genome in batch]
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"ObjectGenome: encode must return a string (str), got {type(text).__name__}.")
            if text.endswith("\0"):
                raise ValueError(f"ObjectGenome: what encode returns must not end in a null character, got {text!r}.")
        return {"genomes": np.array(texts, dtype=np.str_)}

    def unpack(self, arrays: Mapping[str, NDArray[np.generic]]) -> Batch:
        """Return the list of objects from which `pack` made the array.

        Raises:
            NotImplementedError: No `decode` was given.
        """
        if self.decode is None:
            raise NotImplementedError("ObjectGenome(decode=...) is needed for loading: a function from a string to "
                                      "a genome.")
        return [self.decode(str(text)) for text in arrays["genomes"]]
