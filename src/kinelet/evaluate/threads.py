"""Threads of linear algebra: many short products are faster on one than on several that wait for one another."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

#: Multiplications of one product below which threads cost more than they bring (about 2 ms of one core).
SHORT = 30_000_000


def threads_for(multiplications: int) -> AbstractContextManager[Any]:
    """Limit BLAS to one thread while many products of this size are made, if they are short.

    OpenBLAS's threads wait actively for the next product. Where the cores have something else to do, or where the
    pools of NumPy and SciPy take turns, an optimiser of short steps becomes ten times slower by them.

    Args:
        multiplications: Of one product, such as ``n · dim · class`` for scores.
    """
    return _controller().limit(limits=1, user_api="blas") if multiplications < SHORT else nullcontext()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
