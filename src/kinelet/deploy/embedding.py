"""Vectors for a long recording: one window every step on a regular clock, none of them across a gap."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinelet.corpus.streams import shift_of
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.files import atomic_write
from kinelet.progress import Progress, silent
from kinelet.signal.adapt import adapt
from kinelet.signal.recording import Recording


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors of a recording on a regular grid.

    Attributes:
        time_s: Start of each window in seconds since the recording's first sample, float64 ``(n,)``; of a side stream
            too, unless nothing tells when it starts.
        vectors: float32 ``(n, dim)``; NaN where not valid.
        valid: Whether the window lies wholly in samples without a gap, bool ``(n,)``.
        window_s: Length of the windows.
        changes: What adapting the recording to the encoder changed, in words, and which side stream was embedded.
    """

    time_s: npt.NDArray[np.float64]
    vectors: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    window_s: float
    changes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time_s)


def embed(
    encoder: Encoder,
    rec: Recording,
    *,
    step_s: float = 1.0,
    window_s: float | None = None,
    batch_size: int = 512,
    progress: Progress = silent,
) -> Embeddings:
    """Embed a recording.

    Windows start every ``step_s`` from the first sample on, gaps or not, as long as they end with the recording. A
    window that would reach into a gap, or holds a sample that is not finite, is invalid. Beside the recording and the
    result, one batch of windows is in memory at a time.

    Args:
        encoder: Gives the spec that the recording is adapted to.
        rec: Any recording that has the encoder's channels; where only one of its side streams has them, that is
            embedded.
        step_s: Seconds from one window's start to the next.
        window_s: Window length; default the encoder's own.
        batch_size: Windows per forward pass.
        progress: Told how many windows are done.

    Raises:
        SpecMismatchError: if the recording cannot be adapted, or several side streams have the channels.
        BadOptionError: if the step is not positive or no window length is known.
    """
    length_s = window_s or encoder.spec.window_s
    if length_s is None:
        raise BadOptionError(
            "the encoder does not say how long its windows are", where="embed", remedy="Give window_s, for example 5"
        )
    if not step_s > 0:
        raise BadOptionError(f"step_s is {step_s!r}", where="embed", remedy="Give seconds above 0")
    part, shift_s, told = part_with(rec, encoder.spec.channels)
    adapted, changes = adapt(part, encoder.spec)
    samples = round(length_s * encoder.spec.rate_hz)
    time_s, start = window_starts(adapted, samples, step_s)
    valid = start >= 0
    vectors = np.full((len(start), encoder.dim), np.nan, dtype=np.float32)
    for first in range(0, len(start), batch_size):
        rows = first + np.flatnonzero(valid[first : first + batch_size])
        windows = adapted.data[start[rows, None] + np.arange(samples)].transpose(0, 2, 1)
        finite = np.isfinite(windows).all(axis=(1, 2))
        valid[rows[~finite]] = False
        if finite.any():
            vectors[rows[finite]] = encoder.embed(np.ascontiguousarray(windows[finite]), batch_size)
        progress(min(first + batch_size, len(start)))
    return Embeddings(time_s + shift_s, vectors, valid, length_s, (*told, *changes.made, *changes.remarks))


def part_with(rec: Recording, channels: Collection[str]) -> tuple[Recording, float, tuple[str, ...]]:
    """The recording, or the side stream that has the channels where the recording has not.

    Returns:
        It, the seconds from the recording's first sample to its own, and what there is to say of that. The recording
        where nothing has the channels.

    Raises:
        SpecMismatchError: if several side streams have them.
    """
    wanted = set(channels)
    having = [name for name, stream in rec.streams.items() if wanted <= set(stream.spec.channels)]
    if wanted <= set(rec.spec.channels) or not having:
        return rec, 0.0, ()
    if len(having) > 1:
        raise SpecMismatchError(
            f"{', '.join(sorted(wanted))} is in several side streams: {', '.join(having)}",
            where=f"recording {rec.name!r}",
            remedy="Embed the one that is meant: rec.streams[NAME]",
        )
    stream = rec.streams[having[0]]
    known = shift_of(stream, rec)
    if known is None:
        return stream, 0.0, (f"took the side stream {having[0]}; times count from its own first sample",)
    return stream, known[0], (f"took the side stream {having[0]}, which starts {known[0]:+.6g} s from the recording",)


def window_starts(rec: Recording, samples: int, step_s: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Grid times ``(n,)`` and the first sample of each window, -1 where it would reach into a gap.

    A window starts at the sample nearest to its grid time.
    """
    rate = rec.spec.rate_hz
    end_s = rec.segment_stop_s(rec.segments[-1])
    # A hundredth of a sample forgives rounding where windows end exactly with the recording.
    n = max(0, int(np.floor((end_s - (samples - 0.01) / rate) / step_s)) + 1)
    time_s = np.arange(n, dtype=np.float64) * step_s
    begins = np.array([s.time_s for s in rec.segments])
    # Half a sample before a segment's first sample the nearest sample is already its first.
    segment = np.maximum(np.searchsorted(begins - 0.5 / rate, time_s, side="right") - 1, 0)
    first = np.array([s.start for s in rec.segments])[segment]
    offset = np.rint((time_s - begins[segment]) * rate).astype(np.int64)
    fits = first + offset + samples <= np.array([s.stop for s in rec.segments])[segment]
    start = np.where(fits, first + np.maximum(offset, 0), -1)
    return time_s, start.astype(np.int64)


def write_embeddings(found: Embeddings, path: str | Path) -> None:
    """Write ``.npz`` (arrays by name) or ``.parquet`` (columns ``time_s``, ``valid``, ``z0`` …), atomically.

    Raises:
        BadOptionError: on another ending.
    """
    path = Path(path)
    if path.suffix == ".npz":
        with atomic_write(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, time_s=found.time_s, vectors=found.vectors, valid=found.valid, window_s=found.window_s)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import parquet

        columns = {"time_s": found.time_s, "valid": found.valid}
        columns |= {f"z{i}": found.vectors[:, i] for i in range(found.vectors.shape[1])}
        table = pa.table(columns).replace_schema_metadata({"window_s": repr(found.window_s)})
        with atomic_write(path) as temporary:
            parquet.write_table(table, temporary)
    else:
        raise BadOptionError(
            f"cannot write {path.suffix or 'no ending'!r}", where=str(path), remedy="Use .npz or .parquet"
        )
