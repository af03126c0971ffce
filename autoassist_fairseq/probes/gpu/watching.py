"""Times the updates of a run, counts what waits for the device in them, and looks at its memory.

Neither adds a wait to what it watches, but at the two ends.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from fairseq.data.iterators import CountingIterator, GroupedIterator
from fairseq.trainer import Trainer
from torch.utils._python_dispatch import TorchDispatchMode

from autoassist_fairseq.plugin.metrics import UpdateLog
from autoassist_fairseq.probes.gpu.events import Events

# Of CUDA's runtime: what waits, or may wait, or copies. On a CPU: what would.
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
COPIES = ("cudaMemcpyAsync", "cudaMemcpy", "cudaHostAlloc", "cudaMalloc")
WARNED = "synchronizing operations"
STAND_INS = ("aten._local_scalar_dense", "aten.copy_", "aten._to_copy")


def _around_updates(
    begin: int, end: int, start: Callable[[], None], stop: Callable[[], None], within: int = 0
) -> None:
    """Call ``start`` before the batches of update ``begin`` (from 0), and ``stop`` before ``end``.

    Updates are those of the process, or of pass ``within`` of it (from 1). What is logged of an
    update and its plan belong to the stretch. Both are called outside of fairseq's own profiler
    ranges, which a profiler must not begin or end in.
    """
    following, todo = CountingIterator.__next__, {begin: start, end: stop}
    done, passes, last = 0, 0, None

    def counted(batches: GroupedIterator) -> Any:
        nonlocal done, passes, last
        if batches is not last:
            last, passes, done = batches, passes + 1, 0 if within else done
        if passes >= within and (call := todo.pop(done, None)) is not None:
            call()
        batch = following(batches)
        done += 1
        return batch

    GroupedIterator.__next__ = counted


def wait() -> None:
    """Wait until the device is idle."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def time_updates(events: Events, warm: int, updates: int) -> None:
    """Tell how long ``updates`` took after the first ``warm``, their tokens, waits and memory."""
    tokens, waits, begun = [0], [0.0], [0.0]
    train_step, write = Trainer.train_step, UpdateLog.write

    def counted(trainer: Trainer, samples: Any, *args: Any, **kwargs: Any) -> Any:
        tokens[0] += sum(sample["ntokens"] for sample in samples)
        return train_step(trainer, samples, *args, **kwargs)

    def written(log: UpdateLog, ticket: Any) -> None:
        assert log._seen is not None
        waits[0] += log._seen.waited
        write(log, ticket)

    def start() -> None:
        wait()
        first_wait, tokens[0], waits[0] = waits[0], 0, 0.0
        events.write("first", wait=first_wait)
        begun[0] = time.perf_counter()

    def stop() -> None:
        wait()
        memory = torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else 0
        seconds = time.perf_counter() - begun[0]
        told = {"tokens": tokens[0], "wait": waits[0], "memory": memory}
        events.write("timed", updates=updates, seconds=seconds, **told)

    Trainer.train_step = counted
    UpdateLog.write = written  # type: ignore[method-assign, assignment]
    _around_updates(warm, warm + updates, start, stop)


def count_waits(events: Events, within: int, begin: int, updates: int) -> None:
    """Tell how often per update of pass ``within`` the GPU's runtime was asked to wait or to copy.

    Without a GPU, how often a number was read from a tensor, or one copied.
    """
    counter = _CudaCalls() if torch.cuda.is_available() else _Operations()

    def stop() -> None:
        counter.__exit__(None, None, None)
        told = {name: count / updates for name, count in counter.found().items()}
        events.write("counted", updates=updates, **told)

    _around_updates(begin, begin + updates, counter.__enter__, stop, within)


class _CudaCalls:
    """Counts calls of CUDA's runtime by torch's profiler, and what torch itself says that waits."""

    def __init__(self) -> None:
        self._profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
        self._warned: Counter[str] = Counter()

    def __enter__(self) -> None:
        wait()
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = self._warn
        torch.cuda.set_sync_debug_mode("warn")
        self._profiler.start()

    def _warn(self, message: Any, *_: Any, **__: Any) -> None:
        self._warned[WARNED] += "synchronizing CUDA operation" in str(message)

    def __exit__(self, *_: object) -> None:
        self._profiler.stop()
        torch.cuda.set_sync_debug_mode("default")

    def found(self) -> Counter[str]:
        """Return how often each was called."""
        names = [event.name for event in self._profiler.events()]
        listed = (*WAITS, *COPIES)
        return self._warned + Counter(one for one in names if one in listed or "Memcpy" in one)


class _Operations(TorchDispatchMode):
    """Counts operations on a CPU that would wait for a GPU, or copy."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._seen[str(func).rpartition(".")[0]] += 1
        return func(*args, **(kwargs or {}))

    def found(self) -> Counter[str]:
        """Return how often each was run."""
        return Counter({name: self._seen[name] for name in STAND_INS})
