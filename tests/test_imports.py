"""The core stays light: what is optional is not loaded, and not needed."""

import subprocess
import sys

import pytest

OPTIONAL = ("torch", "pymoo", "deap", "ribs", "sklearn", "matplotlib", "click", "transformers", "diffusers", "lm_eval")
OF_TORCH = {"torch", "safetensors"}
"""What evoniche_torch is allowed to load."""


def python(code):
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_import_loads_nothing_optional():
    loaded = python("import sys, evoniche; print(*sys.modules)")
    assert "evoniche.algorithms" in loaded
    assert not set(OPTIONAL) & set(loaded)
    assert not [name for name in loaded if name.startswith(("evoniche_baselines", "evoniche_torch"))]


def test_networks_need_torch_alone():
    loaded = set(python("import sys, evoniche_torch; print(*sys.modules)"))
    assert "evoniche_torch.scorers.lm_eval" in loaded
    assert (set(OPTIONAL) | {"datasets", "accelerate"}) & loaded <= OF_TORCH


@pytest.mark.parametrize("module", ["evoniche.commands", "evoniche.plots"])
def test_the_outer_modules_wait_until_they_are_used(module):
    assert not set(OPTIONAL) & set(python(f"import sys, {module}; print(*sys.modules)"))


def test_the_core_runs_where_nothing_optional_is_installed():
    code = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import evoniche
search = evoniche.m2n2(lambda genomes: genomes > 0, genome=evoniche.RealGenome(5), seed=0)
print(search.run(50, progress=False).evaluations)
"""
    assert python(code) == ["50"]


@pytest.mark.parametrize(("module", "library"), [("pymoo", "pymoo"), ("deap", "deap"), ("ribs", "ribs")])
def test_an_adapter_says_which_extra_it_needs(module, library):
    code = f"import sys; sys.modules[{library!r}] = None; import evoniche.adapters.{module}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"pip install 'evoniche[{module}]'" in ended.stderr.splitlines()[-1]


def test_the_command_line_says_what_it_lacks():
    code = """
import sys
sys.modules["click"] = None
from evoniche.commands import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip() == "evoniche: the command line needs click: pip install 'evoniche[cli]'."
