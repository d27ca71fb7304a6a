"""Merged models in live modules: what is filled, what is refused, and that nothing else changes."""

import pytest
import torch
from merged_models import assert_equal, expected, some_recipe
from tiny_models import llama, llama_folder, log, numbers, plain_folder, unet, unet_folder
from torch import nn

from evoniche import Recipe, Recipes
from evoniche_torch.files import MergeError
from evoniche_torch.models import CheckpointSeeds, ModuleSeeds, load_into, module_loader, tensor_seeds


@pytest.fixture(params=[1 << 18, 5])
def _blocks(request, monkeypatch):
    """The usual blocks and tiny ones."""
    monkeypatch.setattr(module_loader, "MERGE_BLOCK", request.param)
    monkeypatch.setattr(module_loader, "_LARGE_BLOCK", 2 * request.param)
    monkeypatch.setattr(tensor_seeds, "_CHUNK", max(2, request.param // 8))


def network(seed, dtype=torch.float32):
    """Convolutions, a batch norm with its counter, and a scalar."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3, bias=False))
        module.register_parameter("scale", nn.Parameter(torch.rand(())))
        module.register_buffer("hidden", torch.rand(5), persistent=False)
        module[1].num_batches_tracked.fill_(seed)
        return module.to(dtype)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_module_holds_what_is_materialised(dtype):
    bank = ModuleSeeds([network(3), network(4), network(5)])
    recipe = some_recipe(bank, 12)
    live = network(6, dtype).eval()
    live[0].weight.requires_grad_(False)
    hidden, places = live.hidden.clone(), [tensor.data_ptr() for tensor in live.state_dict().values()]
    load_into(live, Recipes(bank, [recipe]), bank)
    assert_equal(dict(live.state_dict()), expected(bank, recipe, dtype))
    assert live[1].num_batches_tracked == 3  # the first seed's
    assert torch.equal(live.hidden, hidden)
    assert places == [tensor.data_ptr() for tensor in live.state_dict().values()]
    assert [p.requires_grad for p in live.parameters()] == [p is not live[0].weight for p in live.parameters()]
    assert not any(part.training for part in live.modules())
    assert all(p.is_leaf and p.grad_fn is None for p in live.parameters())


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_layouts_of_memory(dtype):
    bank = ModuleSeeds([network(0), network(1)])
    recipe = some_recipe(bank, 12)
    live = network(2, dtype).to(memory_format=torch.channels_last)
    live[2].weight = nn.Parameter(torch.zeros(3, 4, 2, 3, dtype=dtype).permute(2, 1, 3, 0))
    assert not live[0].weight.is_contiguous()
    load_into(live, recipe, bank)
    assert_equal(dict(live.state_dict()), expected(bank, recipe, dtype))
    assert live[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_live_llama_from_files(tmp_path, tie, dtype):
    folders = [llama_folder(tmp_path / label, k, tie=tie, dtype=dtype, tokenizer=False) for k, label in enumerate("ab")]
    live = llama(2, tie=tie, dtype=dtype)
    with CheckpointSeeds(folders) as bank:
        recipe = some_recipe(bank)
        load_into(live, recipe, bank)
        wanted = expected(bank, recipe)
    if tie:
        assert "lm_head.weight" not in wanted
        wanted["lm_head.weight"] = wanted["model.embed_tokens.weight"]
    assert_equal(dict(live.state_dict()), wanted)
    assert live.lm_head.weight.data_ptr() == live.model.embed_tokens.weight.data_ptr() or not tie
    with torch.no_grad():
        assert torch.isfinite(live(torch.arange(8)[None]).logits).all()


def test_a_live_unet_from_files_over_a_base(tmp_path):
    folders = [unet_folder(tmp_path / label, k) for k, label in enumerate("abc")]
    live = unet(3)
    with CheckpointSeeds(folders[:2], base=folders[2]) as bank:
        recipe = some_recipe(bank)
        load_into(live, recipe, bank)
        assert_equal(dict(live.state_dict()), expected(bank, recipe))


def test_tied_seeds_fill_modules_tied_or_not():
    bank = ModuleSeeds([llama(0, tie=True), llama(1, tie=True)])
    recipe = some_recipe(bank)
    for tie in (True, False):
        live = llama(2, tie=tie)
        load_into(live, recipe, bank)
        assert_equal(dict(live.state_dict()), expected(bank, recipe))


def test_untied_seeds_do_not_fit_a_tied_module():
    bank = ModuleSeeds([llama(0), llama(1)])
    with pytest.raises(MergeError, match="is the same memory as model"):
        load_into(llama(2, tie=True), some_recipe(bank), bank)


def test_with_and_without_the_prefix_of_the_base_model():
    whole, body = [llama(0, tie=True), llama(1, tie=True)], [llama(0).model, llama(1).model]
    for models, live in ((whole, llama(2).model), (body, llama(2, tie=True))):
        bank = ModuleSeeds(models)
        recipe = some_recipe(bank)
        load_into(live, recipe, bank)
        wanted = {name.removeprefix("model."): tensor for name, tensor in expected(bank, recipe).items()}
        found = {name.removeprefix("model."): tensor for name, tensor in live.state_dict().items()}
        wanted["lm_head.weight"] = found["lm_head.weight"] = found["embed_tokens.weight"]
        assert_equal(found, wanted)


def test_tensors_that_a_library_leaves_aside():
    old = [{**llama(k).state_dict(), "model.layers.0.rotary_emb.inv_freq": torch.ones(4)} for k in range(2)]
    bank = ModuleSeeds(old)
    live = llama(2)
    with log() as messages:
        for _ in range(2):
            load_into(live, some_recipe(bank), bank)
    assert len(messages) == 1
    assert "1 tensors of the files are no part of a LlamaForCausalLM" in messages[0]
    assert "layers.0.rotary_emb.inv_freq" in messages[0]
    wanted = expected(bank, some_recipe(bank))
    del wanted["model.layers.0.rotary_emb.inv_freq"]
    assert_equal(dict(live.state_dict()), wanted)


def test_a_module_without_a_library_leaves_nothing_aside():
    bank = ModuleSeeds([{"weight": torch.ones(1, 2), "bias": torch.ones(1), "more": torch.ones(1)}])
    with pytest.raises(MergeError, match="more: in the seeds, missing in the model"):
        load_into(nn.Linear(2, 1), some_recipe(bank, 1), bank)


def test_all_that_does_not_fit_is_said_before_anything_changes():
    bank = ModuleSeeds([network(0), network(1)])
    live = network(2)
    live[0] = nn.Conv2d(3, 5, 3)
    live[1].num_batches_tracked = torch.tensor(0.0)
    live.scale = None
    live.register_buffer("extra", torch.zeros(2))
    live[2].weight = nn.Parameter(torch.zeros(2, 4, 3, 3, dtype=torch.uint8), requires_grad=False)
    before = {name: tensor.clone() for name, tensor in live.state_dict().items()}
    with pytest.raises(MergeError, match="does not fit this Sequential") as error:
        load_into(live, some_recipe(bank), bank)
    said = str(error.value)
    for part in (
        "0.weight: shape [5, 3, 3, 3] in the model, [4, 3, 3, 3] in the seeds",
        "0.bias: shape [5] in the model, [4] in the seeds",
        "1.num_batches_tracked: torch.float32 in the model, torch.int64 in the seeds",
        "2.weight: torch.uint8 in the model, torch.float32 in the seeds",
        "scale: in the seeds, missing in the model",
        "extra: in the model, missing in the seeds",
    ):
        assert part in said
    assert_equal(dict(live.state_dict()), before)


def test_many_misfits_are_cut_short(tmp_path):
    with CheckpointSeeds([plain_folder(tmp_path / "a", numbers(0))]) as bank, pytest.raises(MergeError) as error:
        load_into(llama(0), some_recipe(bank), bank)
    lines = str(error.value).splitlines()
    assert len(lines) == 22
    assert lines[-1].startswith("  ... and ")


def test_a_module_without_memory():
    with torch.device("meta"):
        live = nn.Linear(2, 2)
    bank = ModuleSeeds([nn.Linear(2, 2)])
    with pytest.raises(MergeError, match=r"weight: has no plain memory in the model \(meta"):
        load_into(live, some_recipe(bank, 1), bank)


def test_a_seed_is_not_overwritten():
    models = [network(0), network(1)]
    bank = ModuleSeeds(models, labels=["one", "two"])
    before = {name: tensor.clone() for name, tensor in models[1].state_dict().items()}
    with pytest.raises(MergeError, match="is the same memory as that of two, which would be overwritten"):
        load_into(models[1], some_recipe(bank), bank)
    assert_equal(dict(models[1].state_dict()), before)


def test_recipes_that_do_not_fit():
    bank = ModuleSeeds([network(0), network(1)])
    with pytest.raises(ValueError, match="a batch of 2"):
        load_into(network(2), Recipes.of_seeds(bank), bank)
    with pytest.raises(ValueError, match="over these seeds"):
        load_into(network(2), Recipe.of([0, 3], [[1.0, 0.0]]), bank)
    with pytest.raises(TypeError, match="got int"):
        load_into(network(2), 7, bank)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_gpu_as_on_the_processor(dtype):
    bank = ModuleSeeds([network(0), network(1)])
    recipe = some_recipe(bank, 12)
    live = network(2, dtype).cuda()
    load_into(live, recipe, bank)
    assert all(tensor.is_cuda for tensor in live.state_dict().values())
    for name, tensor in expected(bank, recipe, dtype).items():
        torch.testing.assert_close(live.state_dict()[name].cpu(), tensor)
