"""Workers of real local clusters, one of which is killed."""

import os
import signal
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest

import evoniche
from evoniche import BinaryGenome, Evolution, Failures, RayExecutor, Store, UniformCrossover

pytestmark = pytest.mark.filterwarnings("default")  # theirs


def make(score):
    return Evolution(BinaryGenome(16), score, crossover=UniformCrossover(), mutation=evoniche.BitFlipMutation(), seed=0)


def deadly_once(flag):
    """A scorer that kills the first process that scores three ones."""

    def score(bits):
        if bits[0, :3].all() and not os.path.exists(flag):
            open(flag, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return bits.astype(float)

    return score


@pytest.fixture(scope="module")
def expected():
    evolution = make(lambda bits: bits.astype(float))
    with ThreadPoolExecutor(2) as threads:
        evolution.run(60, executor=threads, ordered=4, progress=False)
    return evolution.population.genomes


def test_a_dask_cluster_that_loses_a_worker_makes_the_same_run(tmp_path, expected):
    distributed = pytest.importorskip("distributed")
    evolution = make(deadly_once(tmp_path / "flag"))
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        evolution.run(60, executor=client.get_executor(), workers=2, ordered=4, progress=False)
    assert (tmp_path / "flag").exists()
    np.testing.assert_array_equal(evolution.population.genomes, expected)


def test_a_ray_cluster_that_loses_a_worker_makes_the_same_run(tmp_path, expected):
    ray = pytest.importorskip("ray")
    with pytest.raises(RuntimeError, match=r"ray\.init"):
        RayExecutor()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        with pytest.raises(ValueError, match="no task of RayExecutor fits"):
            RayExecutor(num_gpus=1)
        for retries, failed in ((0, 1), (3, 0)):
            evolution, store = make(deadly_once(tmp_path / f"flag{retries}")), Store(tmp_path / f"{retries}.db")
            executor = RayExecutor(max_retries=retries)
            evolution.run(60, executor=executor, ordered=4, failures=Failures(2), store=store, progress=False)
            assert executor.count == 2
            assert (tmp_path / f"flag{retries}").exists()
            assert len(store.failures()["id"]) == failed
            np.testing.assert_array_equal(evolution.population.genomes, expected)
    finally:
        ray.shutdown()


def test_an_executor_without_futures_is_refused():
    class Jobs(Executor):
        def submit(self, fn, /, *args, **kwargs):
            return fn(*args, **kwargs)

    with pytest.raises(TypeError, match=r"Jobs.* must give a concurrent\.futures\.Future"):
        make(lambda bits: bits.astype(float)).run(10, executor=Jobs(), workers=2, progress=False)
