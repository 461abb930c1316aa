"""Blocks of an Axivity ``.cwa`` file: layout, checks, time stamps, samples.

Source: the file format published with the Open Movement project (``Docs/ax3/cwa.h``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadFileError
from kinelet.readers._blocks import Bytes
from kinelet.readers._clock import Blocks
from kinelet.signal.recording import FloatArray

HEADER_BYTES = 1024
BLOCK = np.dtype(
    [
        ("magic", "<u2"),
        ("length", "<u2"),
        ("fraction", "<u2"),
        ("session", "<u4"),
        ("sequence", "<u4"),
        ("stamp", "<u4"),
        ("light_scale", "<u2"),
        ("temperature", "<u2"),
        ("events", "u1"),
        ("battery", "u1"),
        ("rate", "u1"),
        ("packing", "u1"),
        ("offset", "<i2"),
        ("count", "<u2"),
        ("samples", "u1", 480),
        ("checksum", "<u2"),
    ]
)
BLOCK_BYTES = 512
# Packing code -> axes a sample, bytes a sample; gyroscope comes before accelerometer, a magnetometer after it.
PACKINGS = {0x30: (3, 4), 0x32: (3, 6), 0x62: (6, 12), 0x92: (9, 18)}
CHUNK = 8192
"""Blocks that are decoded at a time, so that temporary arrays stay small."""


@dataclass(frozen=True)
class Layout:
    """How the samples of a file are packed; the same for all blocks that are kept."""

    rate_hz: float
    range_g: int
    packing: int
    acc_step_g: float
    gyr_step: float

    @property
    def axes(self) -> int:
        """Values in a sample."""
        return PACKINGS[self.packing][0]

    @property
    def capacity(self) -> int:
        """Samples in a full block."""
        return 480 // PACKINGS[self.packing][1]

    @property
    def steps(self) -> tuple[float, ...]:
        """The device's own step per channel, g and rad/s."""
        return (self.acc_step_g,) * 3 + ((self.gyr_step,) * 3 if self.axes > 3 else ())


def is_blank(blocks: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Blocks that the device reserved but never wrote: all bytes 0xFF or 0x00 where the block's name belongs."""
    blank = np.isin(blocks["magic"], (0x0000, 0xFFFF)) & (blocks["length"] == blocks["magic"])
    out: npt.NDArray[np.bool_] = blank & (blocks["stamp"] == blocks["magic"].astype(np.uint32) * 0x10001)
    return out


def check_blocks(blocks: npt.NDArray[np.void], path: Path) -> tuple[npt.NDArray[np.bool_], Layout, str]:
    """Which blocks can be used, the layout that they share, and what is wrong with the first that cannot."""
    checks = {
        "its name is not AX": (blocks["magic"] == 0x5841) & (blocks["length"] == 508),
        "its check sum is wrong": _sums(blocks) == 0,
        "its time is not a date": ~np.isnan(unpack_stamp(blocks["stamp"])),
        "its packing or rate is unknown": np.isin(blocks["packing"], list(PACKINGS)) & ((blocks["rate"] & 15) >= 6),
    }
    good = np.logical_and.reduce(list(checks.values()))
    if good.any():
        layout, same = _common_layout(blocks, good)
        checks["its layout differs from the others"] = same
        checks["its sample count is impossible"] = (blocks["count"] > 0) & (blocks["count"] <= layout.capacity)
        good = np.logical_and.reduce(list(checks.values()))
    written = ~is_blank(blocks)
    bad = np.flatnonzero(~good & written)
    first = ""
    if len(bad):
        reason = next(text for text, ok in checks.items() if not ok[bad[0]])
        first = f"the first is block {bad[0]} at byte {HEADER_BYTES + int(bad[0]) * BLOCK_BYTES}: {reason}"
    if not good.any():
        raise BadFileError(
            f"none of its {len(blocks)} blocks can be used" + (f" ({first})" if first else ": all are blank"),
            where=str(path),
            remedy="Copy the file from the device again",
        )
    return good, layout, first


def _sums(blocks: npt.NDArray[np.void]) -> npt.NDArray[np.uint16]:
    """Sum of the 16-bit words of each block, which its check sum makes 0."""
    words = blocks.view("<u2").reshape(len(blocks), BLOCK_BYTES // 2)
    out: npt.NDArray[np.uint16] = words.sum(axis=1, dtype=np.uint16)
    return out


def unpack_stamp(stamp: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Seconds since 1970 of packed times (6 bits year, 4 month, 5 day, 5 hour, 6 minute, 6 second); NaN if no date."""
    s = stamp.astype(np.int64)
    month, day = (s >> 22) & 15, (s >> 17) & 31
    hour, minute, second = (s >> 12) & 31, (s >> 6) & 63, s & 63
    months = ((s >> 26) + 30) * 12 + month - 1
    start = months.astype("datetime64[M]")
    date = start.astype("datetime64[D]") + (day - 1)
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (date.astype("datetime64[M]") == start)
    valid &= (hour < 24) & (minute < 60) & (second < 60)
    time = date.astype(np.int64) * 86400 + hour * 3600 + minute * 60 + second
    return np.where(valid, time, np.nan)


def _common_layout(blocks: npt.NDArray[np.void], good: npt.NDArray[np.bool_]) -> tuple[Layout, npt.NDArray[np.bool_]]:
    """The layout of most good blocks, and which blocks have it."""
    scale = blocks["light_scale"].astype(np.int64) >> 10
    key = (scale << 16) | (blocks["packing"].astype(np.int64) << 8) | blocks["rate"]
    values, counts = np.unique(key[good], return_counts=True)
    common = int(values[np.argmax(counts)])
    rate, packing, scale_code = common & 255, (common >> 8) & 255, common >> 16
    layout = Layout(
        rate_hz=3200 / (1 << (15 - (rate & 15))),
        range_g=16 >> (rate >> 6),
        packing=packing,
        acc_step_g=1 / (1 << (8 + (scale_code >> 3))),
        gyr_step=np.deg2rad(8000 / (1 << (scale_code & 7)) / 32768),
    )
    return layout, key == common


def stamps(blocks: npt.NDArray[np.void], index: npt.NDArray[np.int64], layout: Layout) -> Blocks:
    """Stamps of the blocks.

    The device shifts ``offset`` by the whole samples of the fraction of a second, so that software that does not know
    of the fraction finds whole seconds; undoing that shift gives the sample at which the full time was read.
    """
    with_fraction = (blocks["fraction"] & 0x8000) != 0
    fraction = np.where(with_fraction, (blocks["fraction"] & 0x7FFF) / 32768, 0.0)
    lost = np.diff(index, prepend=index[0] - 1) - 1
    return Blocks(
        unix_s=unpack_stamp(blocks["stamp"]) + fraction,
        anchor=blocks["offset"] + np.floor(fraction * layout.rate_hz),
        count=blocks["count"].astype(np.int64),
        lost_s=lost * layout.capacity / layout.rate_hz,
        nominal_hz=layout.rate_hz,
        jitter_s=2 / layout.rate_hz,
    )


def decode(blocks: npt.NDArray[np.void], layout: Layout) -> FloatArray:
    """Samples of the blocks, shape ``(time, 3 or 6)``: accelerometer in g, gyroscope in rad/s."""
    channels = 3 if layout.axes == 3 else 6
    count = blocks["count"].astype(np.int64)
    out: FloatArray = np.empty((int(count.sum()), channels), dtype=np.float32)
    unpack = _unpack_ten_bit if layout.packing == 0x30 else _unpack_sixteen_bit
    done = 0
    for at in range(0, len(blocks), CHUNK):
        part = slice(at, at + CHUNK)
        columns = unpack(blocks["samples"][part], layout)
        full = np.arange(layout.capacity) < count[part, None]
        end = done + int(count[part].sum())
        # Column by column: a product over rows of three would pay numpy's overhead for each row.
        for i, step in enumerate(layout.steps):
            values = columns[i].reshape(-1) if full.all() else columns[i][full]
            np.multiply(values, np.float32(step), out=out[done:end, i])
        done = end
    return out


def _unpack_ten_bit(samples: Bytes, layout: Layout) -> npt.NDArray[np.int16]:
    """Three 10-bit values with a common 2-bit exponent in 32 bits; shape ``(3, block, 120)``."""
    word = np.ascontiguousarray(samples).view("<i4")
    exponent = ((word >> 30) & 3).astype(np.int16)
    out = np.empty((3, *word.shape), dtype=np.int16)
    for axis in range(3):
        # Shifted to the top of the word and back, the sign bit fills what is above it.
        out[axis] = (word << (22 - 10 * axis)) >> 22
        out[axis] <<= exponent
    return out


def _unpack_sixteen_bit(samples: Bytes, layout: Layout) -> npt.NDArray[np.int16]:
    """16-bit values, gyroscope before accelerometer; shape ``(3 or 6, block, capacity)``, accelerometer first."""
    used = layout.capacity * layout.axes * 2
    values = np.ascontiguousarray(samples[:, :used]).view("<i2").reshape(len(samples), layout.capacity, layout.axes)
    order = [0, 1, 2] if layout.axes == 3 else [3, 4, 5, 0, 1, 2]
    return np.moveaxis(values, -1, 0)[order]
