"""Sharings, which turn the scores of all members into their fitness. Each stands in a file of its own."""

from evoniche.sharing.adaptive import AdaptiveSharing
from evoniche.sharing.antigen import AntigenSharing
from evoniche.sharing.clearing import ClearingSharing
from evoniche.sharing.explicit import ExplicitSharing
from evoniche.sharing.implicit import ImplicitSharing
from evoniche.sharing.novelty import NoveltySharing
from evoniche.sharing.raw import RawSharing
from evoniche.sharing.speciation import SpeciationSharing

__all__ = [
    "AdaptiveSharing",
    "AntigenSharing",
    "ClearingSharing",
    "ExplicitSharing",
    "ImplicitSharing",
    "NoveltySharing",
    "RawSharing",
    "SpeciationSharing",
]
