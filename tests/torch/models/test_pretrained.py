"""Live models from folders."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import CONFIG, llama, llama_folder, numbers, pipeline_folder, plain_folder, unet, unet_folder

from evoniche import Recipes
from evoniche_torch.files import MergeError
from evoniche_torch.models import CheckpointSeeds, load_into, load_pretrained


def opened(folder, *, progress=False, device="cpu", **options):
    with CheckpointSeeds([folder], **options) as seeds:
        return load_pretrained(seeds.folders[0], seeds.index, device=device, progress=progress)


def check_equal(module, expected):
    state = module.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.state_dict().items())
    assert not module.training


@pytest.mark.parametrize("variant", [None, "fp16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_transformers(variant, dtype, tmp_path, capfd):
    live = opened(llama_folder(tmp_path / "a", 3, dtype=dtype, variant=variant, tokenizer=False))
    assert type(live.module).__name__ == "LlamaForCausalLM"
    assert live.whole is live.module
    assert live.module.name_or_path == str(tmp_path / "a")  # by which scorers find the tokenizer
    assert live.module.dtype == dtype
    check_equal(live.module, llama(3, dtype=dtype))
    assert "Loading" not in capfd.readouterr().err


def test_torch_files(tmp_path):
    folder = llama_folder(tmp_path / "a", 3, dtype=torch.bfloat16, tokenizer=False)
    torch.save(llama(3, dtype=torch.bfloat16).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    check_equal(opened(folder, allow_torch_files=True).module, llama(3, dtype=torch.bfloat16))


@pytest.mark.filterwarnings("ignore")  # of diffusers
@pytest.mark.parametrize("variant", [None, "fp16"])
def test_diffusers(variant, tmp_path):
    live = opened(unet_folder(tmp_path / "a", 3, dtype=torch.float16, variant=variant))
    assert live.whole is live.module
    assert live.module.dtype == torch.float16
    check_equal(live.module, unet(3, dtype=torch.float16))


@pytest.mark.filterwarnings("ignore")
def test_diffusers_in_torch_files(tmp_path):
    folder = unet_folder(tmp_path / "a", 3)
    torch.save(unet(3).state_dict(), folder / "diffusion_pytorch_model.bin")
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    check_equal(opened(folder, allow_torch_files=True).module, unet(3))


@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_and_the_part_that_is_merged(tmp_path, capfd):
    folders = [pipeline_folder(tmp_path / label, seed) for seed, label in enumerate("ab")]
    with CheckpointSeeds(folders) as seeds:
        live = load_pretrained(seeds.folders[0], seeds.index)
        assert live.module is live.whole.unet
        assert not live.module.training
        load_into(live.module, Recipes.of_seeds(seeds)[1], seeds)
        name = seeds.index.merged[0].name
        number = live.module.state_dict()[name].flatten()[0]
        assert number == seeds.read(1, name, 0, 1)[0] != seeds.read(0, name, 0, 1)[0]
    assert "Loading" not in capfd.readouterr().err


def test_the_dtype_is_that_of_most_numbers(tmp_path):
    state = {name: t if "norm" in name else t.bfloat16() for name, t in llama(0).state_dict().items()}
    folder = llama_folder(tmp_path / "a", tokenizer=False)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert opened(folder).module.dtype == torch.bfloat16


def test_bars_are_shown_on_request_and_the_library_is_as_before(tmp_path, capfd):
    from transformers.utils import logging

    folder = llama_folder(tmp_path / "a", tokenizer=False)
    capfd.readouterr()
    opened(folder)
    assert logging.is_progress_bar_enabled()
    assert "Loading" not in capfd.readouterr().err
    opened(folder, progress=True)
    assert "Loading" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["LlamaForEverything", "is_torch_available", "__name__"])
def test_an_architecture_that_the_library_does_not_have(name, tmp_path):
    folder = plain_folder(tmp_path / "a", config={**CONFIG, "architectures": [name]})
    with pytest.raises(MergeError, match=f"config.json says that it is a {name}, which transformers .* does not have"):
        opened(folder)


def test_a_network_that_diffusers_does_not_have(tmp_path):
    folder = unet_folder(tmp_path / "a")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_class_name": "UNetOfTomorrow"}))
    with pytest.raises(MergeError, match="is a UNetOfTomorrow, which diffusers"):
        opened(folder)


def test_a_bare_file(tmp_path):
    save_file(numbers(), tmp_path / "a.safetensors")
    with pytest.raises(MergeError, match="is a bare file, which does not say what model it belongs to"):
        opened(tmp_path / "a.safetensors")


def test_a_folder_that_does_not_say_what_it_is(tmp_path):
    folder = plain_folder(tmp_path / "a", config=None)
    with pytest.raises(MergeError, match=r"a: transformers cannot load it: .*config"):
        opened(folder)


def test_code_beside_a_model_is_not_run(tmp_path):
    mark = tmp_path / "mark"
    config = {**CONFIG, "model_type": "unheard", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    folder = plain_folder(tmp_path / "a", config=config)
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w')\n")
    with pytest.raises(MergeError, match=r"cannot load it \(--trust-remote-code\)"):
        opened(folder)
    assert not mark.exists()


def test_a_library_that_is_missing(tmp_path, monkeypatch):
    import sys

    folder = llama_folder(tmp_path / "a", tokenizer=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"need transformers: pip install 'evoniche\[llm\]'"):
        opened(folder)
