"""Records of an ActiGraph ``log.bin``: finding them, checking them, unpacking samples.

Source: ActiGraph's published note on the GT3X file format (MIT licence). A record is a separator 0x1E, type, time (4
bytes), payload size (2 bytes), payload, and a check byte that makes the exclusive or of the whole record 0xFF.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

SEPARATOR = 0x1E
HEAD = 8
ACTIVITY, BATTERY, EVENT, LUX, PARAMETERS, ACTIVITY2 = 0, 2, 3, 5, 21, 26
KNOWN = {
    ACTIVITY: "activity",
    1: "ANT+",
    BATTERY: "battery",
    EVENT: "event",
    4: "heart rate",
    LUX: "lux",
    6: "metadata",
    7: "tag",
    8: "temperature",
    9: "epoch",
    10: "daily summary",
    11: "heart rate (ANT+)",
    12: "epoch 2",
    13: "capacitive sense",
    14: "heart rate (Bluetooth)",
    15: "epoch 3",
    16: "epoch 4",
    17: "IMU",
    19: "FIFO error",
    20: "FIFO dump",
    PARAMETERS: "parameters",
    22: "IMU accelerometer",
    24: "sensor schema",
    25: "sensor data",
    ACTIVITY2: "activity 2",
}
SLEEP_BEGINS = 0x08


@dataclass(frozen=True)
class Log:
    """Valid records in file order.

    Attributes:
        data: The whole log.
        kind: Type of each record, shape ``(record,)``.
        unix_s: Time stamp of each.
        payload: Offset of each payload in ``data``.
        size: Bytes in each payload.
        damaged: Stretches of the log without a valid record.
        damaged_bytes: Their bytes.
        first_damage: Offset of the first, -1 if there is none.
    """

    data: Bytes
    kind: Ints
    unix_s: Ints
    payload: Ints
    size: Ints
    damaged: int
    damaged_bytes: int
    first_damage: int

    def of(self, kind: int) -> Ints:
        """Indices of the records of a type."""
        return np.flatnonzero(self.kind == kind)

    def bytes_of(self, record: int) -> bytes:
        """Payload of one record."""
        at = int(self.payload[record])
        return self.data[at : at + int(self.size[record])].tobytes()


def find_records(data: Bytes) -> Log:
    """Find all valid records.

    Every separator byte is tried as the start of a record at once, with the exclusive or of any stretch from one
    running exclusive or; the true records are those that follow one another. After damage, a record is only believed
    if what follows it is a record, padding or the end. Time and memory are linear in the log's size.
    """
    start = np.flatnonzero(data[: max(len(data) - HEAD, 0)] == SEPARATOR).astype(np.int64)
    size = data[start + 6].astype(np.int64) | (data[start + 7].astype(np.int64) << 8)
    end = start + HEAD + size + 1
    fits = end <= len(data)
    start, size, end = start[fits], size[fits], end[fits]
    running = np.concatenate([np.zeros(1, np.uint8), np.bitwise_xor.accumulate(data)])
    valid = (running[end] ^ running[start]) == 0xFF
    start, size, end = start[valid], size[valid], end[valid]
    chosen, holes = _follow(data, start, end)
    start, size = start[chosen], size[chosen]
    stamp = sum(data[start + 2 + i].astype(np.int64) << (8 * i) for i in range(4))
    lengths = [b - a for a, b in holes]
    return Log(
        data,
        data[start + 1].astype(np.int64),
        np.asarray(stamp, dtype=np.int64),
        start + HEAD,
        size,
        len(holes),
        sum(lengths),
        holes[0][0] if holes else -1,
    )


def _follow(data: Bytes, start: Ints, end: Ints) -> tuple[Ints, list[tuple[int, int]]]:
    """Walk from record to record; the records passed, and the stretches between them that are not zero padding."""
    n = len(start)
    nearest = np.searchsorted(start, end)
    follows = np.append(start, -1)[nearest] == end
    padded = (end == len(data)) | (data[np.minimum(end, len(data) - 1)] == 0)
    strong = np.flatnonzero(follows | padded)
    next_strong = np.append(strong, n)[np.searchsorted(strong, np.arange(n + 1))].tolist()
    nearest_, start_, end_ = nearest.tolist(), start.tolist(), end.tolist()
    chosen: list[int] = []
    holes: list[tuple[int, int]] = []
    at, i = 0, 0
    while True:
        if i >= n or start_[i] != at:
            i = next_strong[i]
            stop = start_[i] if i < n else len(data)
            if data[at:stop].any():
                holes.append((at, stop))
        if i >= n:
            return np.array(chosen, dtype=np.int64), holes
        chosen.append(i)
        at, i = end_[i], nearest_[i]


def samples_in(log: Log, records: Ints) -> Ints:
    """Samples in each of the given activity records."""
    size = log.size[records]
    return np.where(log.kind[records] == ACTIVITY, size * 8 // 36, size // 6)


def parameters(log: Log) -> dict[tuple[int, int], int]:
    """Values of the (first) parameters record by (address space, identifier)."""
    records = log.of(PARAMETERS)
    if len(records) == 0:
        return {}
    payload = log.bytes_of(int(records[0]))
    fields = np.frombuffer(payload[: len(payload) // 8 * 8], dtype=[("space", "<u2"), ("id", "<u2"), ("value", "<u4")])
    return {(int(f["space"]), int(f["id"])): int(f["value"]) for f in fields}


def decode_float(value: int) -> float:
    """A parameter's floating-point value: 24-bit signed fraction of 2^23 and 8-bit signed exponent of 2."""
    fraction = (value & 0xFFFFFF) - ((value & 0x800000) << 1)
    exponent = (value >> 24) - ((value >> 31) << 8)
    return float(fraction / 2**23 * 2.0**exponent)


def unpack_twelve_bit(packed: Bytes) -> npt.NDArray[np.int16]:
    """Signed 12-bit values, most significant bits first; shape ``(..., 3 k)`` bytes -> ``(..., 2 k)`` values."""
    three = packed.reshape(*packed.shape[:-1], -1, 3).astype(np.int16)
    first = (three[..., 0] << 8) | (three[..., 1] & 0xF0)
    second = (three[..., 1] << 12) | (three[..., 2] << 4)
    # Each value sits in the upper 12 of 16 bits, so the shift down extends its sign.
    return (np.stack([first, second], axis=-1) >> 4).reshape(*packed.shape[:-1], -1)


def unpack_activity(packed: Bytes) -> npt.NDArray[np.int16]:
    """Samples of activity payloads, 12 bits in order y x z; ``(record, byte)`` -> ``(record, sample, 3)``, x y z."""
    samples = packed.shape[1] * 8 // 36
    short = -packed.shape[1] % 3
    padded = np.pad(packed, ((0, 0), (0, short))) if short else packed
    values = unpack_twelve_bit(padded)[:, : samples * 3].reshape(len(packed), samples, 3)
    return values[..., [1, 0, 2]]


def unpack_activity2(packed: Bytes) -> npt.NDArray[np.int16]:
    """Samples of activity 2 payloads, 16 bits in order x y z; shape ``(record, byte)`` -> ``(record, sample, 3)``."""
    samples = packed.shape[1] // 6
    used = np.ascontiguousarray(packed[:, : samples * 6])
    return used.view("<i2").reshape(len(packed), samples, 3)
