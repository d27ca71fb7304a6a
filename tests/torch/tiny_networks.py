"""Tiny networks in memory, for the tests of evoniche_torch: `from tiny_networks import mlp`."""

import copy

import numpy as np
import torch
from torch import nn

from evoniche_torch import ModuleSeeds


def mlp(classes=3):
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, classes))


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5))
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.body(x.reshape(-1, 1, 4, 4)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 4)
        self.out = nn.Linear(4, 4)
        self.out.weight = self.embed.weight

    def forward(self, x):
        return self.out(self.embed(x).tanh())


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTM(2, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.cell(x.reshape(len(x), -1, 2))[0][:, -1])


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.one(x) if self.one.bias.sum() > 0 else self.two(x)


NETWORKS = {
    "mlp": (mlp, (4,)),
    "normalised": (Normalised, (16,)),
    "tied": (Tied, (4,)),
    "recurrent": (Recurrent, (6,)),
    "branching": (Branching, (4,)),
}


def data(shape, cases=37):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(cases, *shape, generator=generator), torch.randint(3, (cases,), generator=generator)


def spread(net, n, seed=0):
    """Networks that answer differently, positive where variances are."""
    rng = np.random.default_rng(seed)
    return rng.random((n, ModuleSeeds([net]).size)) - rng.random((n, 1))


def plain(net, vector):
    """The network of a flat vector, without anything that is tested here."""
    other, index = copy.deepcopy(net), ModuleSeeds([net]).index
    state = other.state_dict()
    for info, start in zip(index.merged, index.starts, strict=False):
        values = torch.tensor(vector[start : start + info.size]).reshape(info.shape)
        for name in [info.name, *(alias for alias, name in index.tied.items() if name == info.name)]:
            state[name].copy_(values)
    return other.eval()


def logits(model):
    inputs, _ = data((4,))
    return model(inputs).softmax(1)[:, 0]
