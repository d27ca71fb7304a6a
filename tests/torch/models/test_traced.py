"""Tensors that know where their numbers come from, against torch's arithmetic on the numbers' positions."""

import random

import pytest
import torch
from torch.nn import functional

from evoniche_torch.models.pieces import clip, in_source
from evoniche_torch.models.traced import TracedTensor


def positions(tensor, leaves):
    """The numbers of a traced tensor, each read where its pieces say."""
    found = torch.full((tensor.numel(),), -1)
    for piece in tensor.pieces:
        for start, source_start in coordinates(piece):
            assert found[start] == -1, "said twice"
            found[start] = leaves[piece.source][source_start]
    return found.view(tensor.shape)


def coordinates(piece):
    """The positions of each number of a piece, in the tensor and in its source."""
    places = [(piece.start, piece.source_start)]
    for dim in piece.dims:
        places = [(a + j * dim.stride, b + j * dim.source_stride) for a, b in places for j in range(dim.size)]
    return places


def factors(size, draw):
    shape = []
    while size > 1 and len(shape) < 3:
        shape.append(draw.choice([part for part in range(1, size + 1) if size % part == 0]))
        size //= shape[-1]
    return [*shape, size]


def some_operation(shape, draw):
    """A function of one tensor of this shape, which gives a list of tensors."""
    axis, ndim = draw.randrange(len(shape)), len(shape)
    low = draw.randrange(shape[axis])
    length, parts, new = draw.randint(1, shape[axis] - low), draw.randint(1, 3), draw.randrange(ndim + 1)
    order = draw.sample(range(ndim), ndim)
    other = factors(torch.Size(shape).numel(), draw)
    return draw.choice([
        lambda x: [x.permute(order)],
        lambda x: [x.transpose(0, -1)],
        lambda x: [x.reshape(other)],
        lambda x: [x.reshape(other).contiguous().to(torch.float64).to(torch.int64)],
        lambda x: [x.narrow(axis, low, length)],
        lambda x: [x.select(axis - ndim, low - shape[axis])],
        lambda x: x.split(parts, dim=axis),
        lambda x: x.chunk(parts, dim=axis - ndim),
        lambda x: x.unbind(axis),
        lambda x: [x.unsqueeze(new)],
        lambda x: [x.flatten().squeeze()],
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_all_that_moves_numbers_is_followed(seed):
    for number in range(20):
        draw = random.Random(20 * seed + number)
        shape = [draw.choice([1, 2, 3, 4, 6]) for _ in range(draw.randint(1, 3))]
        leaves, pool = {}, []
        for k in range(3):
            real = torch.arange(1000 * k, 1000 * k + torch.Size(shape).numel()).view(shape)
            leaves[str(k)] = real.flatten()
            pool.append((real, TracedTensor.of(str(k), shape, torch.int64)))
        for _ in range(6):
            real, traced = draw.choice(pool)
            if draw.random() < 0.3:
                join, axis = draw.choice([torch.cat, torch.stack]), draw.randrange(real.ndim or 1)
                fitting = [pair for pair in pool if pair[0].shape == real.shape]
                pairs = [(real, traced), draw.choice(fitting)]
                if real.ndim:
                    pool.append(tuple(join(tensors, dim=axis) for tensors in zip(*pairs, strict=True)))
            elif real.ndim:
                operation = some_operation(real.shape, draw)
                pool += zip(operation(real), operation(traced), strict=True)
        for real, traced in pool:
            assert torch.equal(positions(traced, leaves), real)


def test_pieces_are_cut_where_their_source_is_cut():
    traced = TracedTensor.of("a", (4, 6, 5), torch.float32)
    for tensor in (traced.permute(2, 0, 1), traced[:, 1:4].transpose(0, 2), traced.reshape(20, 6).T, traced[1:3, 2]):
        for piece in tensor.pieces:
            everything = set(coordinates(piece))
            for low in range(0, 120, 7):
                found = [pair for part in clip(piece, low, low + 7) for pair in coordinates(part)]
                assert len(found) == len(set(found))
                assert set(found) == {pair for pair in everything if low <= pair[1] < low + 7}


def test_one_stretch_of_the_source():
    traced = TracedTensor.of("a", (4, 6), torch.float32)
    (turned,) = traced.T.pieces
    stretch = in_source(turned)
    assert [source for _, source in coordinates(stretch)] == list(range(24))
    assert sorted(coordinates(stretch)) == sorted(coordinates(turned))
    (columns,) = traced[:, 2:4].pieces
    assert in_source(columns) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x * 2,
        lambda x: x + torch.ones(4, 3),
        lambda x: (x / 2).T.contiguous(),
        lambda x: torch.cat([x, torch.zeros(1, 3)]),
        lambda x: x[::2],
        lambda x: functional.pad(x, (0, 1)),
        lambda x: x.flip(0),
    ],
)
def test_what_changes_numbers_is_remembered(change):
    changed = change(TracedTensor.of("a", (4, 3), torch.float32))
    assert changed.pieces == ()
    assert changed.changed_by.startswith("aten.")


def test_padding_with_nothing_moves_nothing():
    traced = TracedTensor.of("a", (4, 3), torch.float32)
    assert functional.pad(traced, (0, 0)).pieces == traced.pieces


def test_what_is_written_to_a_view_is_written_to_the_tensor():
    traced = TracedTensor.of("a", (4, 3), torch.float32)
    copy = traced.clone()
    traced.view(12)[3:5].fill_(1)
    assert "fill_" in traced.changed_by
    assert copy.changed_by is None
    assert len(copy.pieces) == 1
    again = TracedTensor.of("a", (4, 3), torch.float32)
    again.clone().fill_(1)
    assert again.changed_by is None


def test_numbers_cannot_be_asked_for():
    traced = TracedTensor.of("a", (1,), torch.float32)
    with pytest.raises(NotImplementedError, match="asks for numbers"):
        traced.item()


def test_tied_tensors_are_equal_and_others_are_not():
    one, twin, other = (TracedTensor.of(name, (2, 3), torch.float32) for name in ("a", "a", "b"))
    assert torch.equal(one, twin)
    assert not torch.equal(one, other)
    assert not torch.equal(one, one.T.reshape(2, 3))
