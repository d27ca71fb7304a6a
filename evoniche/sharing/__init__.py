"""Ways in which scores become fitness: one operator a file."""

from evoniche.sharing.implicit import ImplicitSharing
from evoniche.sharing.raw import RawSharing

__all__ = ["ImplicitSharing", "RawSharing"]
