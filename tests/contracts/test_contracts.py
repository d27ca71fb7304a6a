"""Every operator keeps the contract of its role, and the checks of the contract catch those that do not."""

import inspect
import random
from fractions import Fraction

import attrs
import numpy as np
import pytest

import evoniche
from evoniche import (
    AdaptiveSharing,
    AntigenSharing,
    ArraySeeds,
    AttractionMateSelector,
    BinaryGenome,
    BitFlipMutation,
    ByCaseScorer,
    ChainMutation,
    Chromosomes,
    ClearingSharing,
    CompatibleMateSelector,
    ComplementaryCrossover,
    Crossover,
    CrowdingReplacement,
    DalexSelector,
    DeterministicCrowdingReplacement,
    DifferentialCrossover,
    DownsampledLexicaseSelector,
    EpsilonLexicaseSelector,
    ExplicitSharing,
    GaussianMutation,
    GenerationalReplacement,
    Genome,
    ImplicitSharing,
    IndependentMateSelector,
    IntegerGenome,
    IntegerResetMutation,
    KPointCrossover,
    LerpCrossover,
    LexicaseMateSelector,
    LexicaseSelector,
    MateSelector,
    MaxUnionMateSelector,
    Mutation,
    NegativeAssortativeMateSelector,
    NoveltySharing,
    ObjectGenome,
    ObservingReplacement,
    OccasionalCrossover,
    OrderCrossover,
    PairMateSelector,
    PermutationGenome,
    PlusReplacement,
    RankSelector,
    RawSharing,
    RealGenome,
    Recipe,
    RecipeGenome,
    RecipeMutation,
    Recipes,
    RecordedScorer,
    Replacement,
    RestrictedMateSelector,
    RestrictedTournamentReplacement,
    RouletteSelector,
    Scorer,
    Selector,
    Sharing,
    ShuffleSelector,
    SingleScorer,
    SlerpCrossover,
    SpeciationSharing,
    SpeciesConservingReplacement,
    SplitSlerpCrossover,
    SwapMutation,
    TournamentSelector,
    UniformCrossover,
    UniformMateSelector,
    UniformSelector,
    WorkerScorer,
    WorstReplacement,
)
from evoniche.randomness import generator
from evoniche.testing import (
    check_crossover,
    check_genome,
    check_mate_selector,
    check_mutation,
    check_replacement,
    check_scorer,
    check_selector,
    check_sharing,
)

ROLES = (Crossover, Genome, MateSelector, Mutation, Replacement, Scorer, Selector, Sharing)

REALS = np.random.default_rng(0).standard_normal((6, 9))
SINGLES = REALS.astype(np.float32)
IMAGES = REALS.reshape(6, 3, 3)
BITS = REALS > 0
INTEGERS = np.random.default_rng(1).integers(0, 4, size=(6, 9))
ORDERS = PermutationGenome(9).sample(6, rng=generator(0))
GROUPS = Chromosomes.of([2, 3, 1, 3], ["a", "b", "one", "a"])
SEEDS = ArraySeeds([*REALS[:4]], block=4)
TASKS = ArraySeeds([*SINGLES[:4]], base=SINGLES[4])
AXES = ArraySeeds([np.array([3.0, 0.0]), np.array([0.0, 4.0])])
MERGING = [
    LerpCrossover(),
    LerpCrossover(GROUPS),
    SlerpCrossover(),
    SlerpCrossover(GROUPS),
    SplitSlerpCrossover(),
    SplitSlerpCrossover("whole", GROUPS),
    SplitSlerpCrossover("part"),
    SplitSlerpCrossover("part", GROUPS),
    SplitSlerpCrossover(splits=3),
    SplitSlerpCrossover("part", GROUPS, splits=2, count="poisson"),
]
RECIPES = [RecipeGenome(bank, SplitSlerpCrossover("part")).sample(7, rng=generator(0)) for bank in (SEEDS, TASKS)]
WORDS = ["", "a", "ab", "bbb", "ab"]
LISTS = [[1, 2], [3], [], [1, 2]]


def a_word(rng):
    return "ab"[rng.integers(2)] * int(rng.integers(0, 4))


def a_list(rng):
    return rng.integers(0, 9, size=rng.integers(0, 4)).tolist()


def length_difference(a, b):
    return abs(len(a) - len(b))


def comma_separated(numbers):
    return ",".join(map(str, numbers))


def from_comma_separated(text):
    return [int(number) for number in text.split(",") if number]


def one_after_the_other(a, b, rng):
    return a + b if rng.random() < 0.5 else b + a


def overwrite(a, b, rng):
    """Changes the copy that it is given."""
    a[rng.integers(len(a)) :] = b[-1]
    return a


def one_more(numbers, rng):
    numbers.append(int(rng.integers(9)))
    return numbers


def louder(word, rng):
    return word.upper() if rng.random() < 0.5 else word


def largest(genome):
    return np.abs(genome)[:4]


def larger_than_thresholds(genomes):
    return genomes[:, :1] > np.linspace(-1, 1, 5)


def thresholds_on(device):
    return larger_than_thresholds


def thresholds_by_case(genomes, cases):
    return larger_than_thresholds(genomes)[:, cases % 5]


def how_often(word):
    return [word.count("a"), word.count("b"), 1]


GENOMES = [
    BinaryGenome(6),
    IntegerGenome(6, -2, 5),
    IntegerGenome(3, [0, 0, 9], [1, 2, 300]),
    ObjectGenome(a_word),
    ObjectGenome(a_word, measure=length_difference, encode=str, decode=str),
    ObjectGenome(a_list, encode=comma_separated, decode=from_comma_separated),
    PermutationGenome(6),
    PermutationGenome(1),
    RealGenome(6),
    RealGenome(6, dtype="float32", std=3),
    RealGenome(2, bounds=([0, -1], [1, 5])),
    RecipeGenome(SEEDS),
    RecipeGenome(TASKS),
    RecipeGenome(ArraySeeds([REALS])),
    *[RecipeGenome(SEEDS, crossover) for crossover in MERGING],
]
SCORERS = [
    (SingleScorer(largest), REALS),
    (SingleScorer(how_often), WORDS),
    (larger_than_thresholds, SINGLES),
    (ByCaseScorer(thresholds_by_case, cases=9), REALS),
    (RecordedScorer(larger_than_thresholds, RealGenome(9)), REALS),
    (WorkerScorer(thresholds_on), REALS),
]
SHARINGS = [
    (RawSharing(), None),
    (ImplicitSharing(), None),
    (ImplicitSharing(alpha=0), None),
    (ImplicitSharing(alpha=0.5, capacity="max"), None),
    (ImplicitSharing(alpha=2, capacity="max", relative=True), None),
    (ImplicitSharing(relative=True), None),
    (ImplicitSharing(capacity=[0, 1, 2.5]), 3),
    (AdaptiveSharing(), None),
    (AdaptiveSharing(1, 0.5), None),
    (AntigenSharing(3), None),
    (AntigenSharing(3, 20), None),
    (ClearingSharing("scores", 0.5, 2), None),
    (ExplicitSharing("scores", 0.5), None),
    (NoveltySharing("scores", 3), None),
    (SpeciationSharing("scores", 0.5), None),
]
SELECTORS = [
    RankSelector(),
    RankSelector(1),
    RankSelector(2),
    RouletteSelector(),
    TournamentSelector(),
    TournamentSelector(3, by="score"),
    TournamentSelector(1),
    TournamentSelector(9),
    UniformSelector(),
    DalexSelector(),
    DalexSelector(0),
    DalexSelector(standardize=True),
    DownsampledLexicaseSelector(),
    EpsilonLexicaseSelector(),
    EpsilonLexicaseSelector(0.1, "static"),
    EpsilonLexicaseSelector(variant="dynamic"),
    LexicaseSelector(),
    ShuffleSelector(),
]
MATES = [
    (AttractionMateSelector(), None),
    (AttractionMateSelector("max", relative=True), None),
    (AttractionMateSelector(relative=True), None),
    (AttractionMateSelector([0, 1, 2.5]), 3),
    (IndependentMateSelector(TournamentSelector()), None),
    (CompatibleMateSelector(0), None),
    (UniformMateSelector(), None),
    (LexicaseMateSelector(), None),
    (MaxUnionMateSelector(), None),
    (NegativeAssortativeMateSelector("scores", TournamentSelector(), 3), None),
    (PairMateSelector(), None),
    (RestrictedMateSelector("scores", 0.5), None),
]
CROSSOVERS = [
    *[(DifferentialCrossover(), genomes) for genomes in (REALS, SINGLES, IMAGES, np.zeros((2, 9)))],
    *[(KPointCrossover(k), genomes) for k in (1, 2, 8) for genomes in (REALS, BITS, INTEGERS)],
    (OrderCrossover(), ORDERS),
    (OrderCrossover(), ORDERS.astype(np.uint8)),
    (OrderCrossover(), np.zeros((1, 1), dtype=np.int64)),
    *[
        (crossover, genomes)
        for crossover in (*MERGING, UniformCrossover())
        for genomes in (REALS, SINGLES, IMAGES, np.zeros((2, 9)))
    ],
    *[(crossover, recipes) for crossover in MERGING for recipes in RECIPES],
    (UniformCrossover(0.2), BITS),
    *[(ComplementaryCrossover(UniformCrossover()), genomes) for genomes in (REALS, BITS, IMAGES)],
    (ComplementaryCrossover(one_after_the_other), WORDS),
    (ComplementaryCrossover(SplitSlerpCrossover()), RECIPES[0]),
    (OccasionalCrossover(UniformCrossover(), 0.5), SINGLES),
    (OccasionalCrossover(one_after_the_other), WORDS),
    (OccasionalCrossover(SplitSlerpCrossover(), 0), RECIPES[0]),
    (OccasionalCrossover(SplitSlerpCrossover(), 1), RECIPES[0]),
    (UniformCrossover(1), INTEGERS.astype(np.uint8)),
    (one_after_the_other, WORDS),
    (one_after_the_other, LISTS),
    (overwrite, SINGLES),
]
MUTATIONS = [
    (BitFlipMutation(), BITS),
    (BitFlipMutation(0.5), BITS.astype(np.uint8)),
    (BitFlipMutation(1), BITS.astype(np.float32)),
    (ChainMutation([GaussianMutation(1), GaussianMutation(0.1, rate=0.5)]), REALS),
    (ChainMutation([louder, louder]), WORDS),
    *[(GaussianMutation(0.1, rate=rate), genomes) for rate in (1, 0.5, 0) for genomes in (REALS, SINGLES, IMAGES)],
    (GaussianMutation(0.1), REALS.astype(np.float16)),
    (IntegerResetMutation(0, 4), INTEGERS),
    (IntegerResetMutation(np.zeros(9, dtype=int), np.arange(1, 10), rate=0.5), INTEGERS.astype(np.uint8)),
    *[(RecipeMutation(REALS[:3], count=2, moves=("shift", "scale", "copy", "extend")), genomes)
      for genomes in (REALS, SINGLES, IMAGES, REALS.astype(np.float16))],
    *[(RecipeMutation(std=(0.1, 1), chromosomes=chromosomes), recipes)
      for chromosomes in (None, GROUPS) for recipes in RECIPES],
    (SwapMutation(), ORDERS),
    (SwapMutation(3), ORDERS[:, :2]),
    (one_more, LISTS),
    (louder, WORDS),
]
REPLACEMENTS = [
    GenerationalReplacement(),
    GenerationalReplacement(0),
    GenerationalReplacement(3),
    WorstReplacement(),
    CrowdingReplacement("scores"),
    CrowdingReplacement("scores", factor=1),
    DeterministicCrowdingReplacement("scores"),
    ObservingReplacement(),
    ObservingReplacement(PlusReplacement()),
    PlusReplacement(),
    RestrictedTournamentReplacement("scores"),
    RestrictedTournamentReplacement("scores", window=1),
    SpeciesConservingReplacement("scores", radius=1),
]


def pairs(values):
    return [pytest.param(*value, id=f"{i}-{_name(value[0])}") for i, value in enumerate(values)]


def singles(values):
    return [pytest.param(value, id=f"{i}-{_name(value)}") for i, value in enumerate(values)]


def _name(operator):
    return getattr(operator, "__name__", type(operator).__name__)


@pytest.mark.parametrize("genome", singles(GENOMES))
def test_genomes(genome):
    check_genome(genome)


@pytest.mark.parametrize(("genome", "a", "b", "expected"), [
    (BinaryGenome(3), [[0, 0, 1], [1, 1, 1]], [[1, 0, 0], [1, 1, 1]], [[2, 2], [2, 0]]),
    (IntegerGenome(3, 0, 9), [[0, 5, 1]], [[0, 7, 1], [1, 1, 0]], [[1, 3]]),
    (PermutationGenome(3), [[0, 1, 2]], [[0, 2, 1], [2, 0, 1]], [[2, 3]]),
    (RealGenome(2), [[0, 0], [3, 0]], [[3, 4]], [[5], [4]]),
    (RecipeGenome(AXES), Recipes.of_seeds(AXES), Recipes(AXES, [Recipe.of([0, 1, 2], np.eye(2))]), [[4], [3]]),
    (ObjectGenome(a_word, measure=length_difference), ["a", "bbb"], ["", "ab"], [[1, 1], [3, 1]]),
])  # fmt: skip
def test_distances(genome, a, b, expected):
    assert genome.distance(a, b).tolist() == expected


@pytest.mark.parametrize(("scorer", "genomes"), pairs(SCORERS))
def test_scorers(scorer, genomes):
    check_scorer(scorer, genomes)


@pytest.mark.parametrize(("sharing", "cases"), pairs(SHARINGS))
def test_sharings(sharing, cases):
    check_sharing(sharing, cases=cases)


@pytest.mark.parametrize("selector", singles(SELECTORS))
def test_selectors(selector):
    check_selector(selector)


@pytest.mark.parametrize(("mates", "cases"), pairs(MATES))
def test_mate_selectors(mates, cases):
    check_mate_selector(mates, cases=cases)


@pytest.mark.parametrize(("crossover", "genomes"), pairs(CROSSOVERS))
def test_crossovers(crossover, genomes):
    check_crossover(crossover, genomes)


@pytest.mark.parametrize(("mutation", "genomes"), pairs(MUTATIONS))
def test_mutations(mutation, genomes):
    check_mutation(mutation, genomes)


@pytest.mark.parametrize("replacement", singles(REPLACEMENTS))
def test_replacements(replacement):
    check_replacement(replacement)


def test_replacement_of_genomes_that_are_objects():
    check_replacement(WorstReplacement(), genomes=WORDS)
    check_replacement(GenerationalReplacement(), genomes=IMAGES)
    check_replacement(WorstReplacement(), genomes=RECIPES[0])


@pytest.mark.parametrize(
    "crossover", singles([*MERGING, UniformCrossover(), KPointCrossover(), DifferentialCrossover()])
)
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_crossovers_of_tensors(crossover, dtype):
    torch = pytest.importorskip("torch")
    check_crossover(crossover, torch.asarray(REALS, dtype=getattr(torch, dtype)))


@pytest.mark.parametrize(("mutation", "genomes", "dtype"), [
    (GaussianMutation(0.1), REALS, "float64"),
    (GaussianMutation(0.1), REALS, "float32"),
    (GaussianMutation(0.1, rate=0.5), REALS, "bfloat16"),
    (BitFlipMutation(), BITS, "bool"),
    (BitFlipMutation(), BITS, "int8"),
    (IntegerResetMutation(0, 4), INTEGERS, "int64"),
    (IntegerResetMutation(0, 4), INTEGERS, "int32"),
])  # fmt: skip
def test_mutations_of_tensors(mutation, genomes, dtype):
    torch = pytest.importorskip("torch")
    check_mutation(mutation, torch.asarray(genomes, dtype=getattr(torch, dtype)))


@pytest.mark.parametrize("replacement", singles(REPLACEMENTS))
def test_replacement_of_tensors(replacement):
    torch = pytest.importorskip("torch")
    check_replacement(replacement, genomes=torch.asarray(SINGLES))


def test_no_public_operator_is_missing_here():
    here = [*GENOMES, *SELECTORS, *REPLACEMENTS]
    here += [operator for operator, _ in [*SCORERS, *SHARINGS, *MATES, *CROSSOVERS, *MUTATIONS]]
    public = [getattr(evoniche, name) for name in evoniche.__all__]
    operators = {p for p in public if inspect.isclass(p) and issubclass(p, ROLES) and not inspect.isabstract(p)}
    assert len(operators) > len(ROLES)
    assert operators - {type(operator) for operator in here} == set()


# What the checks catch. Each of these is right but for one thing.


def in_place(x, rng):
    x += rng.standard_normal(x.shape)
    return x


def global_numpy(x, rng):
    return x + np.random.standard_normal(x.shape)  # noqa: NPY002


def global_python(x, rng):
    return x + random.gauss()


def seeds_globally(x, rng):
    np.random.seed(rng.integers(2**32))  # noqa: NPY002
    return x + np.random.standard_normal(x.shape)  # noqa: NPY002


def own_generator(x, rng):
    return x + np.random.default_rng().standard_normal(x.shape)


def other_dtype(x, rng):
    return x.astype(np.float32)


def other_shape(x, rng):
    return x[:, 1:]


def one_less(x, rng):
    return x[1:]


def no_array(x, rng):
    return list(x)


BROKEN = [
    (in_place, "leave its inputs"),
    (global_numpy, "global randomness"),
    (global_python, "global randomness"),
    (seeds_globally, "global randomness"),
    (own_generator, "on a second time"),
    (other_dtype, "keep dtype"),
    (other_shape, "keep dtype and shape"),
    (one_less, "must give 1 genomes, got 0"),
    (no_array, "got a <class 'list'>"),
    (lambda x, rng: x, "must pickle"),
]


@attrs.frozen
class BatchMutation(Mutation):
    function: object

    def mutate(self, genomes, *, rng):
        return self.function(genomes, rng)


@attrs.frozen
class BatchCrossover(Crossover):
    """Does to one of the parents what the function does."""

    function: object
    parent: int

    def cross(self, a, b, *, rng):
        return self.function((a, b)[self.parent], rng)


@pytest.mark.parametrize(("function", "rule"), BROKEN)
def test_broken_mutations_are_caught(function, rule):
    with pytest.raises(AssertionError, match=rule):
        check_mutation(BatchMutation(function), REALS)


@pytest.mark.parametrize(("function", "rule"), BROKEN)
@pytest.mark.parametrize("parent", [0, 1])
def test_broken_crossovers_are_caught(function, parent, rule):
    with pytest.raises(AssertionError, match=rule):
        check_crossover(BatchCrossover(function, parent), REALS)


def test_a_lambda_passes_when_pickling_is_skipped():
    check_mutation(lambda x, rng: x, WORDS, pickles=False)
    check_crossover(lambda a, b, rng: b, WORDS, pickles=False)
    check_genome(ObjectGenome(lambda rng: "a"), pickles=False)
    check_scorer(lambda batch: np.ones((len(batch), 2)), WORDS, pickles=False)


def test_the_message_names_operator_and_circumstances_also_of_its_own_errors():
    with pytest.raises(AssertionError, match=r"BatchMutation\(.* on 1 genomes: must keep dtype and shape"):
        check_mutation(BatchMutation(other_dtype), REALS)
    with pytest.raises(ZeroDivisionError) as caught:
        check_mutation(BatchMutation(lambda x, rng: 1 // 0), REALS, pickles=False)
    assert "on 1 genomes" in caught.value.__notes__[0]


def test_the_checks_leave_global_randomness_as_it_was():
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    check_mutation(GaussianMutation(1), REALS)
    with pytest.raises(AssertionError):
        check_mutation(BatchMutation(global_numpy), REALS)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


class Memory:
    """Draws the same only until it was pickled."""

    def __init__(self):
        self.pickled = 0

    def __getstate__(self):
        return {"pickled": 1}

    def __call__(self, x, rng):
        return x + self.pickled


def test_a_pickled_copy_that_behaves_otherwise_is_caught():
    with pytest.raises(AssertionError, match="after pickling"):
        check_mutation(BatchMutation(Memory()), REALS)


@attrs.frozen
class Numbers(Genome):
    """Right as it stands; a function takes the place of a verb."""

    replaced: str = ""
    function: object = None

    def _do(self, verb, default, *arguments):
        return self.function(*arguments) if self.replaced == verb else default(*arguments)

    def sample(self, n, *, rng):
        return self._do("sample", lambda n, rng: rng.random(n), n, rng)

    def distance(self, a, b):
        return self._do("distance", lambda a, b: abs(a[:, None] - b), a, b)

    def pack(self, batch):
        return self._do("pack", lambda batch: {"x": batch}, batch)

    def unpack(self, arrays):
        return self._do("unpack", lambda arrays: arrays["x"], arrays)


def test_the_genome_of_the_next_test_is_right_but_for_what_is_replaced():
    check_genome(Numbers())


@pytest.mark.parametrize(("verb", "function", "rule"), [
    ("sample", lambda n, rng: rng.random(7), r"sample\(n\) must give n genomes"),
    ("sample", lambda n, rng: np.random.default_rng().random(n), "on a second time"),
    ("distance", lambda a, b: np.zeros((len(b), len(a))), "must have shape"),
    ("distance", lambda a, b: a[:, None] - b, "must be finite and >= 0"),
    ("distance", lambda a, b: np.full((len(a), len(b)), np.nan), "must be finite and >= 0"),
    ("distance", lambda a, b: 1 + abs(a[:, None] - b), "0 between equal"),
    ("pack", lambda batch: {"x": batch.astype(object)}, "object dtype"),
    ("pack", lambda batch: {"x": batch.astype(np.float16)}, "give back what was packed"),
    ("unpack", lambda arrays: arrays["x"][::-1], "give back what was packed"),
])  # fmt: skip
def test_broken_genomes_are_caught(verb, function, rule):
    with pytest.raises(AssertionError, match=rule):
        check_genome(Numbers(verb, function), pickles=False)


def row_by_place(genomes):
    """Scores by the place in the batch."""
    return np.arange(3.0 * len(genomes)).reshape(-1, 3)


def sorts_its_batch(genomes):
    genomes.sort(axis=0)
    return abs(genomes)


@pytest.mark.parametrize(("function", "rule"), [
    (lambda x: x, ">= 0"),
    (lambda x: abs(x) * np.nan, "finite"),
    (lambda x: abs(x)[0], "must have shape"),
    (lambda x: abs(x)[::-1], "row 0 must be the scores of genome 0"),
    (lambda x: abs(x - x.mean()), "row 0 must be the scores of genome 0"),
    (row_by_place, "row 1 must be the scores of genome 1"),
    (lambda x: np.ones((len(x), len(x))), "must have 6 cases as before"),
    (sorts_its_batch, "leave its inputs"),
    (lambda x: np.random.default_rng().random(x.shape), "on a second time"),
])  # fmt: skip
def test_broken_scorers_are_caught(function, rule):
    with pytest.raises(AssertionError, match=rule):
        check_scorer(function, REALS, pickles=False)


def test_a_noisy_scorer_may_be_noisy_but_not_negative():
    check_scorer(lambda x: np.random.default_rng().random(x.shape), REALS, noisy=True, pickles=False)
    with pytest.raises(AssertionError, match=">= 0"):
        check_scorer(lambda x: -1 - np.random.default_rng().random(x.shape), REALS, noisy=True, pickles=False)


@attrs.frozen
class AnySharing(Sharing):
    function: object

    def fitness(self, population):
        return self.function(population)


def share_without_epsilon(population):
    with np.errstate(invalid="ignore"):
        return (population.scores / population.load).sum(axis=1)


def forgets_the_others(population):
    population.remove(0)
    return population.means


@pytest.mark.parametrize(("function", "rule"), [
    (share_without_epsilon, "scores of 0.*finite and >= 0"),
    (lambda p: p.means - p.means.mean(), "finite and >= 0"),
    (lambda p: p.load, "float array of shape"),
    (lambda p: p.means.tolist(), "float array of shape"),
    (lambda p: np.arange(len(p)), "float array of shape"),
    (lambda p: np.random.default_rng().random(len(p)), "on a second time"),
    (forgets_the_others, "leave its inputs"),
])  # fmt: skip
def test_broken_sharings_are_caught(function, rule):
    with pytest.raises(AssertionError, match=rule):
        check_sharing(AnySharing(function), pickles=False)


def test_a_sharing_that_looks_at_genomes_gets_genomes():
    check_sharing(AnySharing(lambda p: abs(p.genomes).sum(axis=(1, 2))), genomes=IMAGES, pickles=False)


@attrs.frozen
class AnySelector(Selector):
    function: object

    def select(self, population, n, *, rng):
        return self.function(population, n, rng)


def by_probability(population, n, rng):
    """Divides by a total that may be 0."""
    return rng.choice(len(population), size=n, p=population.fitness / max(population.fitness.sum(), 1e-300))


def without_replacement(population, n, rng):
    return rng.permutation(len(population))[:n]


@pytest.mark.parametrize(("function", "rule"), [
    (lambda p, n, rng: rng.choice(p.ids, size=n), "positions from 0"),
    (lambda p, n, rng: rng.random(n) * len(p), "integer array"),
    (lambda p, n, rng: rng.integers(len(p), size=n).tolist(), "integer array"),
    (lambda p, n, rng: rng.integers(len(p)), "integer array"),
    (lambda p, n, rng: -1 - rng.integers(len(p), size=n), "positions from 0"),
    (lambda p, n, rng: np.random.randint(len(p), size=n), "global randomness"),  # noqa: NPY002
    (without_replacement, "integer array"),
])  # fmt: skip
def test_broken_selectors_are_caught(function, rule):
    with pytest.raises(AssertionError, match=rule):
        check_selector(AnySelector(function), pickles=False)


def test_an_error_on_a_degenerate_population_says_which():
    with pytest.raises(ValueError, match="robabilities do not sum to 1") as caught:
        check_selector(AnySelector(by_probability), pickles=False)
    assert "scores of 0" in caught.value.__notes__[0]


@attrs.frozen
class AnyMateSelector(MateSelector):
    function: object

    def mates(self, population, first, *, rng):
        return self.function(population, first, rng)


def next_in_place(population, first, rng):
    first += 1
    return first % len(population)


@pytest.mark.parametrize(("function", "rule"), [
    (next_in_place, "leave its inputs"),
    (lambda p, first, rng: first + 1, "positions from 0"),
    (lambda p, first, rng: np.unique(first), "integer array"),
    (lambda p, first, rng: p.ids[first], "positions from 0"),
    (lambda p, first, rng: np.random.default_rng().permutation(first), "on a second time"),
])  # fmt: skip
def test_broken_mate_selectors_are_caught(function, rule):
    with pytest.raises(AssertionError, match=rule):
        check_mate_selector(AnyMateSelector(function), pickles=False)


@attrs.frozen
class AnyReplacement(Replacement):
    function: object

    def replace(self, population, offspring):
        self.function(population, offspring)


def everybody_stays(population, offspring):
    population.add(offspring)


def children_only(population, offspring):
    population.remove(range(len(population)))
    population.add(offspring.take(range(min(len(offspring), population.limit))))


def never_lets_children_in(population, offspring):
    population.add(offspring.take(range(min(len(offspring), population.limit - len(population)))))


def _then_cut(population):
    population.remove(range(population.limit, len(population)))


def one_child_twice(population, offspring):
    population.add(offspring.take([*range(len(offspring)), 0]))
    _then_cut(population)


def other_ids(population, offspring):
    population.add(attrs.evolve(offspring, ids=offspring.ids + 1000))
    _then_cut(population)


def mixed_up_scores(population, offspring):
    population.add(attrs.evolve(offspring, scores=offspring.scores[::-1]))
    _then_cut(population)


def mixed_up_genomes(population, offspring):
    population.add(attrs.evolve(offspring, genomes=offspring.genomes[::-1]))
    _then_cut(population)


def mixed_up_parents(population, offspring):
    population.add(attrs.evolve(offspring, parents=offspring.parents[:, ::-1]))
    _then_cut(population)


def changes_the_offspring(population, offspring):
    everything_at_random(population, offspring)
    offspring.scores[:] = 0


def everything_at_random(population, offspring, rng=None):
    rng = rng or offspring.generator()
    population.add(offspring)
    population.remove(rng.permutation(len(population))[: max(0, len(population) - population.limit)])


def at_random_of_its_own(population, offspring):
    everything_at_random(population, offspring, np.random.default_rng())


def at_global_random(population, offspring):
    everything_at_random(population, offspring, np.random)


@pytest.mark.parametrize(("function", "rule"), [
    (everybody_stays, "must leave 2 of 3, not 3"),
    (children_only, "must leave 2 of 3, not 1|must leave 2 of 4, not 1"),
    (never_lets_children_in, "must enter"),
    (one_child_twice, "not 2"),
    (other_ids, "nobody may come from elsewhere"),
    (mixed_up_scores, "keep their scores"),
    (mixed_up_genomes, "keep their genomes"),
    (mixed_up_parents, "keep their parents"),
    (changes_the_offspring, "leave the offspring"),
    (at_random_of_its_own, "on a second time"),
    (at_global_random, "global randomness"),
])  # fmt: skip
def test_broken_replacements_are_caught(function, rule):
    with pytest.raises(AssertionError, match=rule):
        check_replacement(AnyReplacement(function))


def test_fractions_are_genomes_too():
    check_mutation(lambda x, rng: x + Fraction(1, int(rng.integers(1, 9))), [Fraction(1, 3)], pickles=False)


@attrs.frozen(eq=False)
class Pairs:
    """A batch type of its own: two arrays with a leading axis."""

    left: np.ndarray
    right: np.ndarray

    def __len__(self):
        return len(self.left)

    def take(self, indices):
        return Pairs(self.left[indices], self.right[indices])

    def join(self, other):
        return Pairs(np.append(self.left, other.left), np.append(self.right, other.right))


def swap_sides(pairs, rng):
    return Pairs(pairs.right, pairs.left)


def forget_left(pairs, rng):
    pairs.left[:] = 0
    return pairs


def test_batch_types_of_their_own():
    batch = Pairs(np.arange(3.0), np.arange(4.0, 7.0))
    check_mutation(swap_sides, batch)
    check_mutation(BatchMutation(swap_sides), batch)
    with pytest.raises(AssertionError, match="leave its inputs"):
        check_mutation(BatchMutation(forget_left), batch)
