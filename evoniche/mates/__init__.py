"""With whom: one operator a file."""

from evoniche.mates.attraction import AttractionMateSelector
from evoniche.mates.independent import IndependentMateSelector
from evoniche.mates.uniform import UniformMateSelector

__all__ = ["AttractionMateSelector", "IndependentMateSelector", "UniformMateSelector"]
