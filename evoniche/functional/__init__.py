"""The formulas of M2N2 as pure functions, for numpy arrays, torch tensors and the rest of the array API.

Lexicase selection, DALex and the draw of many mates (`attracted`) stand here as well; they take numpy arrays only.
"""

from evoniche.functional.attracted import UNDECIDED, attracted
from evoniche.functional.chromosomes import Chromosomes
from evoniche.functional.errors import scores_from_errors
from evoniche.functional.lexicase import Epsilon, EpsilonVariant, dalex, lexicase
from evoniche.functional.niches import (
    CAPACITY,
    EPS,
    Capacity,
    attraction,
    case_capacity,
    case_load,
    case_weights,
    coverage,
    entropy,
    relative_scores,
    shared_fitness,
)
from evoniche.functional.slerp import Angle, lerp, slerp, slerp_weights, split_slerp
from evoniche.functional.survivors import survivors
from evoniche.functional.vectors import blend, dot_products

__all__ = [
    "CAPACITY",
    "EPS",
    "UNDECIDED",
    "Angle",
    "Capacity",
    "Chromosomes",
    "Epsilon",
    "EpsilonVariant",
    "attracted",
    "attraction",
    "blend",
    "case_capacity",
    "case_load",
    "case_weights",
    "coverage",
    "dalex",
    "dot_products",
    "entropy",
    "lerp",
    "lexicase",
    "relative_scores",
    "scores_from_errors",
    "shared_fitness",
    "slerp",
    "slerp_weights",
    "split_slerp",
    "survivors",
]
