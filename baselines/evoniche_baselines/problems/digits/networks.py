"""The networks, the images and the experts of the digits experiment.

scikit-learn has 1,797 images of 8x8 pixels, which keep their values (0 to 16) and their order: the first 80 % are the
training cases, the last 20 % are held out. A genome is a ReLU network 64-256-10 as one flat float32 vector of 19,210
parameters: W1 (64, 256), b1, W2 (256, 10), b2. A case is a training image, with score 1 if the class is right, else 0.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Self, final

import attrs
import numpy as np
from numpy.typing import NDArray

from evoniche import CaseScorer, RealGenome
from evoniche.randomness import generator

__all__ = ["CLASSES", "PARAMETERS", "DigitsScorer", "digits_genome", "published_experts", "train_experts"]

PIXELS, HIDDEN, CLASSES = 64, 256, 10
PARAMETERS = (PIXELS + 1) * HIDDEN + (HIDDEN + 1) * CLASSES
INITIAL_STD = 0.01
"""The standard deviation of the first weights."""

_SHARE_OF_TRAINING = 0.8


def digits_genome() -> RealGenome:
    """Return the genome of networks: flat float32 vectors, drawn from N(0, 0.01**2).

    >>> digits_genome().sample(2, rng=np.random.default_rng(0)).shape
    (2, 19210)
    """
    return RealGenome(PARAMETERS, std=INITIAL_STD, dtype="float32")


@final
@attrs.frozen(eq=False)
class DigitsScorer(CaseScorer):
    """Scores networks on images: 1 where the predicted class is right, else 0.

    Args:
        images: The pixels, float32 of shape (cases, 64).
        labels: The digits, 0 to 9, shape (cases,).

    >>> train, test = DigitsScorer.load()
    >>> train.score(published_experts()).shape
    (2, 1437)
    """

    images: NDArray[np.float32] = attrs.field(repr=False)
    labels: NDArray[np.int64] = attrs.field(repr=False)

    _images_and_one: NDArray[np.float32] = attrs.field(init=False, repr=False)

    @_images_and_one.default
    def _with_one(self) -> NDArray[np.float32]:
        return np.hstack([self.images, np.ones((len(self.images), 1), dtype=np.float32)])

    @classmethod
    def load(cls) -> tuple[Self, Self]:
        """Make the scorers of the 1,437 training images and of the 360 held-out images.

        Raises:
            ImportError: scikit-learn, which brings the images, is not installed.
        """
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise ImportError("the digits come with scikit-learn: pip install 'evoniche[baselines]'.") from error
        images, labels = load_digits(return_X_y=True)
        images = images.astype(np.float32)
        split = int(len(images) * _SHARE_OF_TRAINING)
        return cls(images[:split], labels[:split]), cls(images[split:], labels[split:])

    @property
    def cases(self) -> int:
        """How many images."""
        return len(self.labels)

    def score(self, genomes: NDArray[np.float32], cases: NDArray[np.intp] | None = None) -> NDArray[np.bool_]:
        """Score networks of shape (n, 19210) on some images, or all.

        Returns:
            Shape (n, cases).
        """
        labels = self.labels if cases is None else self.labels[cases]
        scores = np.empty((len(genomes), len(labels)), dtype=np.bool_)
        # One network at a time stays in the cache; a stack of them is slower on a processor.
        for row, parameters in zip(scores, genomes, strict=True):
            np.equal(self.logits(parameters, cases).argmax(axis=1), labels, out=row)
        return scores

    def logits(self, parameters: NDArray[np.float32], cases: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """What one network answers on some images, or all; shape (cases, 10)."""
        w1_b1 = parameters[: (PIXELS + 1) * HIDDEN].reshape(PIXELS + 1, HIDDEN)  # b1 follows on W1 as one more row
        _, _, w2, b2 = unflatten(parameters)
        images = self._images_and_one if cases is None else self._images_and_one[cases]
        hidden = images @ w1_b1  # (cases, 256)
        np.maximum(hidden, 0, out=hidden)
        logits = hidden @ w2  # (cases, 10)
        logits += b2
        return logits

    def accuracy(self, parameters: NDArray[np.float32]) -> float:
        """Return the share of the images that one network gets right."""
        return float(self.score(parameters[None]).mean())

    def class_accuracy(self, parameters: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the share that one network gets right of the images of each digit, shape (10,)."""
        right = self.score(parameters[None])[0]
        counts = np.bincount(self.labels, minlength=CLASSES)
        return np.bincount(self.labels, weights=right, minlength=CLASSES) / np.maximum(counts, 1)


def unflatten(parameters: Any) -> tuple[Any, Any, Any, Any]:
    """Split a flat array or tensor into views: W1 (64, 256), b1 (256,), W2 (256, 10) and b2 (10,)."""
    ends = np.cumsum([PIXELS * HIDDEN, HIDDEN, HIDDEN * CLASSES])
    w1, b1, w2 = (parameters[start:end] for start, end in zip((0, *ends), ends, strict=False))
    return w1.reshape(PIXELS, HIDDEN), b1, w2.reshape(HIDDEN, CLASSES), parameters[ends[-1] :]


def published_experts() -> NDArray[np.float32]:
    """Load the two networks of the package, trained on the digits 0 to 4 and on 5 to 9; shape (2, 19210)."""
    path = files("evoniche_baselines.problems.digits") / "experts.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return np.stack([arrays["digits_0_to_4"], arrays["digits_5_to_9"]])


def train_experts(seed: int, *, steps: int = 10, learning_rate: float = 0.003) -> NDArray[np.float32]:
    """Train two fresh networks, one on the digits 0 to 4 and one on 5 to 9, as the paper does.

    Each starts from weights drawn from N(0, 0.01**2), and takes full-batch steps of Adam on the cross-entropy.

    Args:
        seed: Fixes the first weights.
        steps: The number of steps.
        learning_rate: The learning rate of Adam.

    Returns:
        The networks, shape (2, 19210).

    Raises:
        ImportError: torch is not installed.
    """
    train, _ = DigitsScorer.load()
    rng = generator(seed)
    experts = []
    for known in (train.labels < 5, train.labels >= 5):
        start = digits_genome().sample(1, rng=rng)[0]
        experts.append(_train(start, train.images[known], train.labels[known], steps, learning_rate))
    return np.stack(experts)


def _train(
    start: NDArray[np.float32], images: NDArray[np.float32], labels: NDArray[np.int64], steps: int, rate: float
) -> NDArray[np.float32]:
    try:
        import torch
    except ImportError as error:
        raise ImportError("training experts needs torch: pip install 'evoniche[torch]'.") from error
    parameters = torch.from_numpy(start.copy()).requires_grad_()
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    optimiser = torch.optim.Adam([parameters], lr=rate)
    for _ in range(steps):
        w1, b1, w2, b2 = unflatten(parameters)
        loss = torch.nn.functional.cross_entropy(torch.relu(x @ w1 + b1) @ w2 + b2, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return parameters.detach().numpy()
