"""Side streams: recordings that were read with another one, at their own rate; what they have of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kinelet.corpus.manifest import RecordingInfo, annotation_table
from kinelet.corpus.process import LEFT_OUT

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus
    from kinelet.signal.recording import Recording

ABSOLUTE, NAMED, OFFSET = "by their absolute starts", "by a clock that both name", "by a start within the recording"


def parent_id(info: RecordingInfo) -> str | None:
    """Id of the recording that a side stream was read with; ``None`` for a recording proper."""
    return None if info.stream is None else info.id.removesuffix(f".{info.stream}")


def shift_of(stream: RecordingInfo | Recording, parent: RecordingInfo | Recording) -> tuple[float, str] | None:
    """Seconds from a recording's zero to that of its side stream, and how it is known; ``None`` where it is not."""
    if stream.start_unix_s is not None and parent.start_unix_s is not None:
        return stream.start_unix_s - parent.start_unix_s, ABSOLUTE
    mine, theirs = named_start(stream), named_start(parent)
    if mine is not None and theirs is not None and mine[0] == theirs[0]:
        return mine[1] - theirs[1], NAMED
    after = stream.meta.get("starts_after_s")
    if isinstance(after, int | float):
        # Building moves the stream's own start with its zero; of the recording's it keeps how far it went.
        return float(after) - float(parent.meta.get(LEFT_OUT, 0.0)), OFFSET
    return None


def named_start(info: RecordingInfo | Recording) -> tuple[str, float] | None:
    """The clock that a recording names, and when it starts on it; ``None`` where it names none."""
    name, start = info.meta.get("clock"), info.meta.get("clock_start_s")
    if isinstance(name, str) and isinstance(start, int | float):
        return name, float(start)
    return None


def proper(corpus: Corpus, channels: Collection[str] | None = None) -> Corpus:
    """What is meant where nobody says which recordings: those that are no side streams.

    Where channels are asked for that none of them has, the side streams that have them.
    """
    rest = [r for r in corpus.recordings if r.stream is None]
    if not rest or len(rest) == len(corpus.recordings):
        return corpus
    if channels is not None:
        having = [r for r in corpus.recordings if set(channels) <= set(r.spec.channels)]
        if having and all(r.stream is not None for r in having):
            rest = having
    return corpus.select(recordings=[r.id for r in rest])


def inherited(corpus: Corpus, kept: Sequence[RecordingInfo]) -> Any:
    """Annotations of recordings whose side streams are kept without them, on the clocks of those streams.

    On a track that it has annotations of its own on, a stream takes none.

    Args:
        corpus: All recordings.
        kept: Those that are kept.

    Returns:
        Arrow table like :attr:`kinelet.corpus.corpus.Corpus.annotations`.
    """
    ids = {r.id for r in kept}
    heirs: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for r in kept:
        parent = parent_id(r)
        if parent is not None and parent not in ids and parent in corpus.codes:
            known = shift_of(r, corpus.recordings[corpus.codes[parent]])
            if known is not None:
                heirs[parent].append((r.id, known[0]))
    if not heirs:
        return corpus.annotations.slice(0, 0)
    # Whole columns at once: a day of heartbeats has a hundred thousand annotations.
    rows = corpus.annotations.select(["recording", "track"]).to_pydict()
    own = {(r, t) for r, t in zip(rows["recording"], rows["track"], strict=True) if r in ids}
    taken = [
        (i, heir, shift)
        for i, (r, t) in enumerate(zip(rows["recording"], rows["track"], strict=True))
        for heir, shift in heirs.get(r, ())
        if (heir, t) not in own
    ]
    found = corpus.annotations.take(pa.array([i for i, _, _ in taken], pa.int64())).to_pylist()
    for row, (_, heir, shift) in zip(found, taken, strict=True):
        row |= {"recording": heir, "start_s": row["start_s"] - shift, "stop_s": row["stop_s"] - shift}
    return annotation_table(found)
