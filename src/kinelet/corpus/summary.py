"""What a build did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kinelet.corpus.records import Failure

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class BuildSummary:
    """What a build did, and what the corpus holds now.

    Attributes:
        built: Sources that were read and stored.
        unchanged: Sources that were there already, with the same content and configuration.
        failures: What could not be taken in, and why.
        removed: Sources that are gone from the corpus.
        kept: Sources of earlier builds that this one did not list; they stay in the corpus.
        recordings: Recordings in the corpus.
        subjects: People in the corpus.
        hours: Hours of samples in the corpus.
        stored_bytes: Bytes of all sample files.
        seconds: How long the build took.
        wrote: Whether anything in the corpus changed.
        orphans: Attached sentences and vectors about recordings that are gone, by where they are; they were kept.
    """

    built: int
    unchanged: int
    failures: tuple[Failure, ...]
    removed: int
    kept: int
    recordings: int
    subjects: int
    hours: float
    stored_bytes: int
    seconds: float
    wrote: bool
    orphans: Mapping[str, int] = field(default_factory=dict)

    def line(self) -> str:
        """The build in one sentence."""
        if not self.wrote and not self.failures:
            return f"Nothing to do: all {self.unchanged} sources are in the corpus already"
        failed = f", {len(self.failures)} failures" if self.failures else ""
        return (
            f"{self.built} sources built, {self.unchanged} unchanged{failed}; the corpus holds {self.recordings} "
            f"recordings of {self.subjects} {'person' if self.subjects == 1 else 'people'}, {self.hours:.2f} h"
        )

    def as_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """The result in one sentence, each figure, and each failure with its reason."""
        figures = [
            ("result", self.line()),
            ("sources built", f"{self.built}"),
            ("sources unchanged", f"{self.unchanged}"),
            ("failures", f"{len(self.failures)}"),
            ("recordings", f"{self.recordings}"),
            ("people", f"{self.subjects}"),
            ("hours", f"{self.hours:.2f}"),
            ("stored", f"{self.stored_bytes / 1e6:.1f} MB"),
            ("took", f"{self.seconds:.1f} s"),
        ]
        extra = [("sources removed", self.removed), ("sources kept from earlier builds", self.kept)]
        figures += [(name, str(count)) for name, count in extra if count]
        figures += [
            (f"kept in {name}", f"{n} about recordings that are no longer there; attach again with corpus annotate")
            for name, n in self.orphans.items()
        ]
        return figures + [(f"failed: {f.recording or f.source}", f.reason) for f in self.failures]

    def table(self) -> Table:
        """The rows as a rich table."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(show_header=False)
        table.add_column()
        table.add_column(overflow="fold")
        for name, value in self.rows():
            table.add_row(escape(name), escape(value))
        return table
