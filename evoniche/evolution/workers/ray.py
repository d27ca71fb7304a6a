"""Workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, final

__all__ = ["RayExecutor"]


@final
class RayExecutor(Executor):
    """Tasks of Ray behind the interface of `concurrent.futures.Executor`, for `run(executor=RayExecutor(num_gpus=1))`.

    Each call is a task with these resources, so Ray chooses the machine, assigns the GPUs and sets CUDA_VISIBLE_DEVICES
    for them. A worker that dies, by the system or for want of memory, is replaced, and its task tried again
    `max_retries` times; then it has failed, which costs an attempt where `run(failures=...)` says so. A worker that is
    late by `Failures(timeout=...)` is ended.

    Args:
        count: Tasks at a time; as many as the resources of the cluster allow at this moment when None.
        num_cpus: CPUs of a task.
        num_gpus: GPUs of a task; a part of one is allowed.
        max_retries: How often Ray tries a task again whose worker has died.
        options: More options of a remote function: memory, resources, runtime_env and so on.

    Raises:
        ImportError: Ray is not installed: `pip install 'evoniche[ray]'`.
        RuntimeError: `ray.init()` was not called.
        ValueError: The cluster has not got the resources of one task.
    """

    def __init__(
        self,
        count: int | None = None,
        *,
        num_cpus: float = 1,
        num_gpus: float = 0,
        max_retries: int = 3,
        **options: Any,
    ) -> None:
        import ray as library  # an extra

        ray: Any = library
        if not ray.is_initialized():
            raise RuntimeError("RayExecutor needs a cluster: call ray.init(), or ray.init(address='auto'), before.")
        there = ray.cluster_resources()
        needs = {"CPU": num_cpus, "GPU": num_gpus}
        room = min((int(there.get(name, 0) // n) for name, n in needs.items() if n), default=1)
        if room < 1 and count is None:
            raise ValueError(f"no task of RayExecutor fits into the cluster: it needs {needs}, there is {there}.")
        self.count = room if count is None else count
        self._ray = ray
        remote = ray.remote(_call)
        self._remote = remote.options(num_cpus=num_cpus, num_gpus=num_gpus, max_retries=max_retries, **options)
        self._open: dict[Future[Any], Any] = {}
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a function called by a worker of the cluster.

        Raises:
            RuntimeError: The executor was shut down.
        """
        if self._closed:
            raise RuntimeError("this RayExecutor was shut down: make a new one.")
        reference = self._remote.remote(fn, args, kwargs)
        future: Future[Any] = reference.future()
        self._open[future] = reference
        future.add_done_callback(lambda done: self._open.pop(done, None))
        return future

    def kill(self, future: Future[Any]) -> None:
        """End a task, and its worker if it runs."""
        reference = self._open.get(future)
        if reference is not None:
            self._ray.cancel(reference, force=True)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; the cluster lives on.

        Args:
            wait: Return when all tasks have ended.
            cancel_futures: End them now.
        """
        self._closed = True
        for future in list(self._open):
            if cancel_futures:
                self.kill(future)
            if wait:
                future.exception()


def _call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fn(*args, **kwargs)
