"""What several processes under ``torchrun`` need; in a single process everything here is the identity."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from kinelet.errors import BadOptionError
from kinelet.methods.base import Method


@dataclass(frozen=True)
class World:
    """This process's place among all: ``rank`` of ``size``, on ``device``."""

    rank: int
    size: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0


def join(device: str = "auto") -> World:
    """Join the processes ``torchrun`` started, if it did, and choose the device.

    Raises:
        BadOptionError: if CUDA is asked for and absent.
    """
    size, rank, local = (
        int(os.environ.get(k, d)) for k, d in (("WORLD_SIZE", "1"), ("RANK", "0"), ("LOCAL_RANK", "0"))
    )
    cuda = torch.cuda.is_available() if device == "auto" else device == "cuda"
    if cuda and not torch.cuda.is_available():
        raise BadOptionError(
            "device=cuda, but torch sees no CUDA device", remedy="Use device=cpu, or see kinelet doctor"
        )
    chosen = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(chosen)
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
    return World(rank, size, chosen)


def gather(z: Tensor) -> Tensor:
    """Concatenate ``(local, dim)`` over ranks into ``(global, dim)``; gradients flow back to every rank.

    The backward pass sums the gradient over ranks, so with DDP's averaging of parameter gradients the result is the
    gradient of the mean over ranks of their losses.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return z
    gathered: Tensor = _Gather.apply(z)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.rows = z.shape[0]
        parts = [torch.empty_like(z) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].contiguous().clone()
        dist.all_reduce(grad)
        start = dist.get_rank() * ctx.rows
        return grad[start : start + ctx.rows]


def connect(method: Method, rows: int, world: World) -> None:
    """Let a method see the rows of all processes, ``rows`` of each."""
    if world.size > 1:
        method.gather, method.rank_offset = gather, world.rank * rows


def parallel(method: Method, world: World) -> nn.parallel.DistributedDataParallel:
    """Wrap a method, so that gradients are averaged over processes.

    Buffers of modules that say ``alike`` (see :class:`~kinelet.methods.queue.NeighbourQueue`) can be large and are
    never sent. Which buffers to send is not for DDP to be told, only whether: it is switched off where there are such
    modules, and :func:`send_buffers` sends the others.
    """
    wrapper = nn.parallel.DistributedDataParallel
    ids = [world.device.index] if world.device.type == "cuda" else None
    if not _alike(method):
        return wrapper(method, device_ids=ids)
    # The older name's False leaves buffers alone at the start too; the first step sends them.
    newer = "forward_sync_buffers" in inspect.signature(wrapper).parameters
    off: dict[str, Any] = {"forward_sync_buffers" if newer else "broadcast_buffers": False}
    return wrapper(method, device_ids=ids, **off)


def send_buffers(method: Method, world: World) -> None:
    """Give all processes the buffers of the first before a step, as DDP does, but for those that are alike anyway."""
    left_out = _alike(method)
    if world.size == 1 or not left_out:
        return
    for buffer in (b for name, b in method.named_buffers() if name not in left_out):
        dist.broadcast(buffer, 0)


def _alike(method: Method) -> set[str]:
    """Names of the buffers that every process works out by itself."""
    modules = ((name, m) for name, m in method.named_modules() if getattr(m, "alike", False))
    return {f"{name}.{inner}" for name, module in modules for inner, _ in module.named_buffers()}


@contextmanager
def alone(method: Method) -> Iterator[None]:
    """Let a method see nobody's rows but its own: for batches that every process has the whole of."""
    before = method.gather, method.rank_offset
    method.gather, method.rank_offset = lambda z: z, 0
    try:
        yield
    finally:
        method.gather, method.rank_offset = before


def mean_over_ranks(values: dict[str, float], world: World) -> dict[str, float]:
    """Average named numbers over processes."""
    if world.size == 1:
        return values
    packed = torch.tensor(list(values.values()), dtype=torch.float64, device=world.device)
    dist.all_reduce(packed)
    return dict(zip(values, (packed / world.size).tolist(), strict=True))


def any_rank(flag: bool, world: World) -> bool:
    """Whether any process raised its flag (so that all stop at the same step)."""
    return mean_over_ranks({"flag": float(flag)}, world)["flag"] > 0


def barrier(world: World) -> None:
    """Wait until every process is here."""
    if world.size > 1:
        dist.barrier()


def leave(world: World) -> None:
    """Leave the process group."""
    if world.size > 1 and dist.is_initialized():
        dist.destroy_process_group()
