"""Evolutionary algorithms with natural niches, made of exchangeable parts.

`m2n2` and `ga` are ready-made; `Evolution` joins parts of your choice; `roles` says what each part does.
"""

from evoniche import functional
from evoniche._log import enable_logging
from evoniche._versions import __version__ as __version__
from evoniche._versions import show_versions
from evoniche.algorithms import ga, m2n2
from evoniche.batches import BatchType
from evoniche.crossovers import (
    DifferentialCrossover,
    KPointCrossover,
    LerpCrossover,
    OccasionalCrossover,
    OrderCrossover,
    SlerpCrossover,
    SplitSlerpCrossover,
    UniformCrossover,
)
from evoniche.evolution import Evolution, Failures, Result, ScorerError, Store, StoreError, WorkerPool
from evoniche.functional import Chromosomes
from evoniche.genomes import BinaryGenome, IntegerGenome, ObjectGenome, PermutationGenome, RealGenome
from evoniche.mates import (
    AttractionMateSelector,
    IndependentMateSelector,
    LexicaseMateSelector,
    MaxUnionMateSelector,
    NegativeAssortativeMateSelector,
    PairMateSelector,
    RestrictedMateSelector,
    UniformMateSelector,
)
from evoniche.merging import ArraySeeds, Recipe, RecipeGenome, Recipes, SeedBank, merge
from evoniche.mutations import (
    BitFlipMutation,
    ChainMutation,
    GaussianMutation,
    IntegerResetMutation,
    RecipeMutation,
    SwapMutation,
)
from evoniche.population import Individual, Offspring, Population
from evoniche.replacements import (
    CrowdingReplacement,
    DeterministicCrowdingReplacement,
    GenerationalReplacement,
    PlusReplacement,
    RestrictedTournamentReplacement,
    WorstReplacement,
)
from evoniche.roles import (
    CaseScorer,
    Crossover,
    Genome,
    MateSelector,
    Mutation,
    Replacement,
    Scorer,
    Selector,
    Sharing,
)
from evoniche.scorers import ByCaseScorer, RecordedScorer, SingleScorer, WorkerScorer
from evoniche.selectors import (
    DalexSelector,
    DownsampledLexicaseSelector,
    EpsilonLexicaseSelector,
    LexicaseSelector,
    RankSelector,
    RouletteSelector,
    ShuffleSelector,
    TournamentSelector,
    UniformSelector,
)
from evoniche.sharing import (
    AdaptiveSharing,
    AntigenSharing,
    ClearingSharing,
    ExplicitSharing,
    ImplicitSharing,
    NoveltySharing,
    RawSharing,
    SpeciationSharing,
)

__all__ = [
    "AdaptiveSharing",
    "AntigenSharing",
    "ArraySeeds",
    "AttractionMateSelector",
    "BatchType",
    "BinaryGenome",
    "BitFlipMutation",
    "ByCaseScorer",
    "CaseScorer",
    "ChainMutation",
    "Chromosomes",
    "ClearingSharing",
    "Crossover",
    "CrowdingReplacement",
    "DalexSelector",
    "DeterministicCrowdingReplacement",
    "DifferentialCrossover",
    "DownsampledLexicaseSelector",
    "EpsilonLexicaseSelector",
    "Evolution",
    "ExplicitSharing",
    "Failures",
    "GaussianMutation",
    "GenerationalReplacement",
    "Genome",
    "ImplicitSharing",
    "IndependentMateSelector",
    "Individual",
    "IntegerGenome",
    "IntegerResetMutation",
    "KPointCrossover",
    "LerpCrossover",
    "LexicaseMateSelector",
    "LexicaseSelector",
    "MateSelector",
    "MaxUnionMateSelector",
    "Mutation",
    "NegativeAssortativeMateSelector",
    "NoveltySharing",
    "ObjectGenome",
    "OccasionalCrossover",
    "Offspring",
    "OrderCrossover",
    "PairMateSelector",
    "PermutationGenome",
    "PlusReplacement",
    "Population",
    "RankSelector",
    "RawSharing",
    "RealGenome",
    "Recipe",
    "RecipeGenome",
    "RecipeMutation",
    "Recipes",
    "RecordedScorer",
    "Replacement",
    "RestrictedMateSelector",
    "RestrictedTournamentReplacement",
    "Result",
    "RouletteSelector",
    "Scorer",
    "ScorerError",
    "SeedBank",
    "Selector",
    "Sharing",
    "ShuffleSelector",
    "SingleScorer",
    "SlerpCrossover",
    "SpeciationSharing",
    "SplitSlerpCrossover",
    "Store",
    "StoreError",
    "SwapMutation",
    "TournamentSelector",
    "UniformCrossover",
    "UniformMateSelector",
    "UniformSelector",
    "WorkerPool",
    "WorkerScorer",
    "WorstReplacement",
    "enable_logging",
    "functional",
    "ga",
    "m2n2",
    "merge",
    "show_versions",
]
