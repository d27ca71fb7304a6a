"""What becomes of a child whose scoring fails."""

from __future__ import annotations

import pickle
import traceback
from contextlib import suppress
from typing import Literal, final

import attrs

from evoniche._validators import greater_than, one_of, whole

__all__ = ["Failure", "Failures", "ScorerError"]

_LONGEST = 10_000  # letters of a traceback that are kept, from its end


class ScorerError(RuntimeError):
    """A scorer has raised something that cannot be brought here from its worker; the message has its traceback."""


@final
@attrs.frozen
class Failures:
    """What `run(failures=...)` does about a child whose scoring fails.

    A scorer that raises, returns rubbish, takes too long, or dies with its process costs one attempt of one child: in a
    batch the guilty one is found, by scoring halves of it. A child that has no attempts left is given up: it never
    enters the population, and stands in the store with the traceback of each attempt.

    What a scorer does to its process (a crash, a hang) is only survived by a run whose scorer has a process of its own:
    `run(workers=1)` or more.

    Args:
        attempts: How often a child is tried.
        timeout: Seconds that the scoring of one child may take, and a batch of n children n times as many; None for
            any time. It needs workers.
        on: The exceptions that count; any other ends the run. A worker that dies is a
            `concurrent.futures.BrokenExecutor`, which is a RuntimeError, and a time-out a TimeoutError.
        then: After the last attempt, "give up" the child, or "stop" the run by raising what the scorer has raised.
        count: Whether a child given up counts as an evaluation, because it was paid for.
        in_a_row: When so many children are to be given up and none was scored in between, the scorer itself is broken:
            the run stops, and the last of them stays open.

    Raises:
        ValueError: An argument out of its range.

    >>> Failures(attempts=0)
    Traceback (most recent call last):
    ValueError: Failures(attempts=...) must be a whole number >= 1, got 0.
    """

    attempts: int = attrs.field(default=3, validator=whole(1))
    timeout: float | None = attrs.field(default=None, validator=attrs.validators.optional(greater_than(0)))
    on: type[BaseException] | tuple[type[BaseException], ...] = attrs.field(default=Exception)
    then: Literal["give up", "stop"] = attrs.field(default="give up", validator=one_of("give up", "stop"))
    count: bool = attrs.field(default=False, kw_only=True)
    in_a_row: int = attrs.field(default=20, kw_only=True, validator=whole(1))

    @on.validator
    def _check_kinds(self, _: object, on: object) -> None:
        kinds = on if isinstance(on, tuple) else (on,)
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
            raise ValueError(f"Failures(on=...) must be an exception class or a tuple of them, got {on!r}.")

    def covers(self, failure: Failure) -> bool:
        """Whether this failure counts, and does not end the run."""
        kinds = self.on if isinstance(self.on, tuple) else (self.on,)
        return any(_name(kind) in failure.kinds for kind in kinds)


@final
@attrs.frozen(eq=False)
class Failure:
    """One attempt that failed, wherever it was made."""

    summary: str
    """The name of the exception and its message."""
    kinds: tuple[str, ...] = attrs.field(repr=False)
    """The exception's class and what it inherits from, by their full names, so that no class has to be sent."""
    traceback: str = attrs.field(repr=False)
    raised: BaseException | None = attrs.field(default=None, repr=False)
    pickled: bytes = attrs.field(default=b"", repr=False)

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """What an exception tells."""
        kinds = tuple(map(_name, type(error).__mro__))
        if not isinstance(error, Exception):  # sys.exit() in a worker ends nothing but this attempt
            kinds += (_name(Exception),)
        text = "".join(traceback.format_exception(error))[-_LONGEST:]
        return cls(f"{type(error).__qualname__}: {error}", kinds, text, error)

    def portable(self) -> Failure:
        """The same without an exception that may not pickle, which is sent as bytes if it does."""
        pickled = b""
        with suppress(Exception):
            pickled = pickle.dumps(self.raised)
            pickle.loads(pickled)
        return attrs.evolve(self, raised=None, pickled=pickled)

    @property
    def error(self) -> BaseException:
        """The exception to raise here."""
        if self.raised is not None:
            return self.raised
        error: BaseException = ScorerError(f"{self.summary}\n\n{self.traceback}")
        with suppress(Exception):
            sent = pickle.loads(self.pickled)
            if isinstance(sent, Exception):
                sent.add_note(f"raised in a worker:\n{self.traceback}")
                error = sent
        return error


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
