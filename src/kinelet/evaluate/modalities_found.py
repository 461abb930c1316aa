"""What judging aligned encoders found, and how it is kept in a run directory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinelet.evaluate.judge import plain_name, save_results
from kinelet.evaluate.modalities_config import Row
from kinelet.evaluate.result import Result
from kinelet.evaluate.retrieval_result import RetrievalResult

RAW, CROSS, SEARCH = "raw-width", "transfer", "-modality_search"


@dataclass(frozen=True)
class Judged:
    """One row of the table.

    Attributes:
        row: What was judged.
        width: The common width of each modality's vectors.
        result: At the common width.
        raw: With all columns; ``None`` where the network itself was trained.
    """

    row: Row
    width: int
    result: Result
    raw: Result | None


@dataclass(frozen=True)
class Found:
    """All that was found.

    Attributes:
        rows: The table.
        searches: Moments looked up across modalities.
        transfers: Probes carried across, see :func:`kinelet.evaluate.cross_modal.carry_over`.
    """

    rows: list[Judged]
    searches: list[RetrievalResult]
    transfers: list[Result]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = [
            {**asdict(j.row), "width": j.width, "result": j.result.to_dict()}
            | {"raw_width": None if j.raw is None else j.raw.to_dict()}
            for j in self.rows
        ]
        searches = [{k: v for k, v in s.to_dict().items() if k != "replicates"} for s in self.searches]
        return {"rows": told, "searches": searches, "transfers": [t.to_dict() for t in self.transfers]}

    def save(self, folder: Path) -> None:
        """Keep it in a run directory, in place of what is there from the same corpus and track."""
        first = self.rows[0].result
        track = first.options["track"]
        place = folder / "evaluation" / plain_name(f"{first.task}-{track}-modality_probe")
        save_results(place, [j.result for j in self.rows])
        save_results(place / RAW, [j.raw for j in self.rows if j.raw is not None])
        save_results(place / CROSS, self.transfers)
        searched = folder / "evaluation" / plain_name(f"{first.task}-{track}{SEARCH}")
        for old in searched.glob("*.json"):
            old.unlink()
        for i, found in enumerate(self.searches):
            found.save(searched / f"{i:02d}-{plain_name(found.direction.replace(' -> ', '-to-'))}.json")
