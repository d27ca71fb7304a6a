"""Networks as flat vectors."""

import numpy as np
import pytest
import torch
from tiny_networks import Normalised, Recurrent, Tied, mlp
from torch import nn

import evoniche
from evoniche.testing import check_genome
from evoniche_torch.models import ModuleGenome, ModuleSeeds

pytestmark = pytest.mark.usefixtures("same_weights", "one_thread")


class TestModuleGenome:
    @pytest.mark.parametrize("make", [mlp, Normalised, Tied, Recurrent, lambda: nn.MultiheadAttention(4, 2).double()])
    def test_contract(self, make):
        check_genome(ModuleGenome(make()))

    def test_order_is_that_of_seeds(self):
        net = Normalised()
        net.body[1].running_mean += torch.arange(3)
        genome = ModuleGenome(net)
        seeds = ModuleSeeds([net])
        assert torch.equal(genome.flatten(net), seeds.materialise(evoniche.Recipes.of_seeds(seeds)[0]))
        start, stop = seeds.index.span("body.1.running_mean")
        assert genome.flatten(net)[start:stop].tolist() == [0, 1, 2]

    def test_samples_are_fresh_networks(self):
        net = Normalised()
        net.body[1].running_var += 5
        genome = ModuleGenome(net)
        state = torch.get_rng_state()
        batch = genome.sample(4, rng=np.random.default_rng(0))
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(99)
        assert torch.equal(genome.sample(4, rng=np.random.default_rng(0)), batch)
        start, stop = genome.index.span("body.1.running_var")
        assert (batch[:, start:stop] == 1).all()
        start, stop = genome.index.span("head.weight")
        weights = batch[:, start:stop]
        assert len({tuple(row.tolist()) for row in weights}) == 4
        assert 0.8 / 12**0.5 < weights.abs().max() <= 1 / 12**0.5  # what nn.Linear(12, ...) begins with

    def test_the_whole_has_the_last_word_over_its_parts(self):
        class Silent(nn.Module):
            def __init__(self):
                super().__init__()
                self.linear = nn.Linear(2, 2)

            def reset_parameters(self):
                nn.init.zeros_(self.linear.bias)

        genome = ModuleGenome(Silent())
        assert (genome.sample(3, rng=np.random.default_rng(0)) == 0).sum(1).tolist() == [2, 2, 2]

    def test_there_and_back(self):
        for make in (Normalised, Tied):
            net, other = make(), make()
            genome = ModuleGenome(net)
            back = genome.unflatten(genome.flatten(other))
            assert all(torch.equal(back.state_dict()[name], tensor) for name, tensor in other.state_dict().items())
            assert not torch.equal(genome.flatten(net), genome.flatten(other))
        assert back.out.weight is back.embed.weight
        with pytest.raises(ValueError, match=r"shape \(24,\), got \(25,\)"):
            genome.unflatten(torch.zeros(25))
        with pytest.raises(ValueError, match="the network"):
            genome.flatten(mlp())

    def test_parameters_that_nothing_initialises(self):
        class Scaled(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale, self.linear = nn.Parameter(torch.ones(2)), nn.Linear(2, 2)

        with pytest.raises(ValueError, match=r"reset_parameters\(\) reaches scale;"):
            ModuleGenome(Scaled()).sample(1, rng=np.random.default_rng(0))

        def initialise(net):
            nn.init.normal_(net.scale)
            net.linear.reset_parameters()

        check_genome(ModuleGenome(Scaled(), initialise=initialise), pickles=False)
