"""Metrics of a run: one JSON line a record, and TensorBoard events where it is installed."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kinelet.files import atomic_write


class RunLog:
    """Append metrics to ``metrics.jsonl`` and, if tensorboard is installed, to ``events/``.

    Args:
        folder: Run directory.
        first_step: Records of this step and later, left by a run that was killed after its last checkpoint, are
            removed, so that a resumed run leaves the same log as one that was never killed.
    """

    def __init__(self, folder: Path, *, first_step: int = 0) -> None:
        self.path = folder / "metrics.jsonl"
        self._keep_before(first_step)
        self._events: Any = None
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(folder / "events"), purge_step=first_step)

    def _keep_before(self, step: int) -> None:
        if not self.path.exists():
            return
        kept = [line for line in self.path.read_text().splitlines() if _step(line) < step]
        with atomic_write(self.path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept))

    def write(self, step: int, values: dict[str, float]) -> None:
        """Append one record; a value that is not finite is written as null."""
        record = {"step": step} | {k: (v if math.isfinite(v) else None) for k, v in values.items()}
        with self.path.open("a") as handle:
            handle.write(json.dumps(record) + "\n")
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush the event file."""
        if self._events is not None:
            self._events.close()


def _step(line: str) -> float:
    """Step of a record; a line cut short by a kill counts as later than any step."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
