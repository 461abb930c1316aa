"""What is attached to a corpus about recordings that a build has removed; it is kept, and told."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kinelet.corpus.manifest import NARRATIONS


def orphans(folder: Path, ids: Collection[str]) -> dict[str, int]:
    """Sentences and vectors about recordings that are not in a corpus, by the file or folder that holds them.

    Files that cannot be read are passed over: whoever uses them is told.

    Args:
        folder: The corpus.
        ids: Its recordings.
    """
    known = pa.array(list(ids), pa.string())
    counts = {name: _strangers(folder / path, known) for name, path in _tables(folder).items()}
    return {name: n for name, n in counts.items() if n}


def _tables(folder: Path) -> dict[str, str]:
    from kinelet.towers.reading import INDEX
    from kinelet.towers.store import STORES, list_stores

    found = {f"{STORES}/{name}": f"{STORES}/{name}/{INDEX}" for name in list_stores(folder)}
    return {NARRATIONS: NARRATIONS, **found} if (folder / NARRATIONS).exists() else found


def _strangers(path: Path, known: pa.Array) -> int:
    try:
        column = pq.read_table(path, columns=["recording"])["recording"].drop_null()
    except (OSError, KeyError, pa.ArrowException):
        return 0
    return int(len(column) - (pc.sum(pc.is_in(column, known)).as_py() or 0))
