"""Pages of a GENEActiv ``.bin`` file: text lines and samples in hexadecimal.

Source: Activinsights' GENEActiv instructions, section on ``.bin`` files.
"""

from __future__ import annotations

import binascii
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from kinelet.readers._blocks import clean
from kinelet.readers._clock import Blocks
from kinelet.signal.recording import FloatArray

PAGE_SAMPLES = 300
SAMPLE_BYTES = 6
PAGE_MARK = b"Recorded Data"
STAMP_JITTER_S = 0.5
"""Page times are written in steps of half a second."""


@dataclass(frozen=True)
class Page:
    """One page: its time stamp, samples as bytes, slow signals, and bytes behind it that belong to no page."""

    unix_s: float
    rate_hz: float
    temperature: float
    battery: float
    samples: bytes
    cut: bool
    stray: int


@dataclass(frozen=True)
class Scale:
    """Calibration that the manufacturer wrote into the header: g = (100 raw - offset) / gain."""

    gain: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    lux: float | None


def number(text: str) -> float:
    """The number that a text begins with, NaN if it does not."""
    found = re.match(r"[+-]?\d{1,15}(\.\d{1,15})?", text)
    return float(found.group()) if found else float("nan")


def page_starts(raw: bytes) -> list[int]:
    """Where lines begin that say that a page follows."""
    out = []
    at = raw.find(b"\n" + PAGE_MARK)
    while at >= 0:
        out.append(at + 1)
        at = raw.find(b"\n" + PAGE_MARK, at + 1)
    return out


def usable_pages(raw: bytes, starts: list[int]) -> tuple[list[Page], npt.NDArray[np.int64], str]:
    """Pages that can be decoded, their place in the file, and what is wrong with the first that cannot."""
    pages: list[tuple[int, Page]] = []
    first_bad = ""
    for i, item in enumerate(_read_pages(raw, starts)):
        if isinstance(item, str):
            first_bad = first_bad or f"the first is page {i} at byte {starts[i]}: {item}"
        else:
            pages.append((i, item))
    if pages:
        common = Counter(page.rate_hz for _, page in pages).most_common(1)[0][0]
        odd = [i for i, page in pages if page.rate_hz != common]
        if odd:
            first_bad = first_bad or f"the first is page {odd[0]}: its rate is not the {common:g} Hz of the others"
        pages = [(i, page) for i, page in pages if page.rate_hz == common]
    return [page for _, page in pages], np.array([i for i, _ in pages], dtype=np.int64), first_bad


def _read_pages(raw: bytes, starts: list[int]) -> Iterator[Page | str]:
    for i, start in enumerate(starts):
        last = i + 1 == len(starts)
        try:
            yield _read_page(raw[start : len(raw) if last else starts[i + 1]], last)
        except (ValueError, KeyError) as error:
            yield f"no {error.args[0]!r} line" if isinstance(error, KeyError) else str(error)


def _read_page(chunk: bytes, last: bool) -> Page:
    """Decode one page.

    Raises:
        KeyError: naming a line that is missing.
        ValueError: saying what is wrong.
    """
    *lines, rest = chunk.split(b"\n", 9)
    fields = {}
    for line in lines[1:]:
        key, _, value = line.partition(b":")
        fields[key] = value.strip()
    rate = _positive(fields, b"Measurement Frequency", 1000)
    unix_s = parse_time(fields[b"Page Time"])
    digits, _, stray = rest.partition(b"\n")
    digits = digits.rstrip()
    whole = PAGE_SAMPLES * SAMPLE_BYTES * 2
    if len(digits) > whole or (len(digits) < whole and not last):
        raise ValueError(f"{len(digits)} hexadecimal digits instead of {whole}")
    cut = len(digits) < whole
    digits = digits[: len(digits) - len(digits) % (SAMPLE_BYTES * 2)]
    if not digits:
        raise ValueError("no whole sample")
    samples = binascii.unhexlify(digits)
    temperature, battery = (_any_number(fields, key) for key in (b"Temperature", b"Battery voltage"))
    return Page(unix_s, rate, temperature, battery, samples, cut, len(stray.strip()))


def _positive(fields: dict[bytes, bytes], key: bytes, highest: float) -> float:
    value = _any_number(fields, key)
    if not 0 < value <= highest:
        raise ValueError(f"{clean(key)} is {clean(fields[key])!r}")
    return value


def _any_number(fields: dict[bytes, bytes], key: bytes) -> float:
    return number(fields[key].decode("latin-1"))


def parse_time(text: bytes) -> float:
    """Seconds since 1970 of ``2019-05-21 16:16:43:500``, taken as UTC.

    Raises:
        ValueError: if it is not a date.
    """
    found = re.fullmatch(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d):(\d{3})", text)
    if not found:
        raise ValueError(f"its time is {text[:30]!r}")
    return datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC).timestamp() + int(found[2]) / 1000


def stamps(pages: list[Page], kept: npt.NDArray[np.int64]) -> Blocks:
    """Page stamps as the block clock takes them: each stamps its page's first sample."""
    rate = pages[0].rate_hz
    return Blocks(
        unix_s=np.array([page.unix_s for page in pages]),
        anchor=np.zeros(len(pages)),
        count=np.array([len(page.samples) // SAMPLE_BYTES for page in pages], dtype=np.int64),
        lost_s=(np.diff(kept, prepend=kept[0] - 1) - 1) * PAGE_SAMPLES / rate,
        nominal_hz=rate,
        jitter_s=STAMP_JITTER_S,
    )


def decode(pages: list[Page], scale: Scale) -> tuple[FloatArray, npt.NDArray[np.uint16], npt.NDArray[np.bool_]]:
    """Acceleration in g, shape ``(time, 3)``; raw light and button, shape ``(time,)``."""
    total = sum(len(page.samples) for page in pages) // SAMPLE_BYTES
    data: FloatArray = np.empty((total, 3), dtype=np.float32)
    light = np.empty(total, dtype=np.uint16)
    button = np.empty(total, dtype=np.bool_)
    slope, shift = (100 / scale.gain).astype(np.float32), (scale.offset / scale.gain).astype(np.float32)
    done = 0
    for at in range(0, len(pages), 1024):
        raw = np.frombuffer(b"".join(page.samples for page in pages[at : at + 1024]), dtype=np.uint8)
        six = raw.reshape(-1, SAMPLE_BYTES).astype(np.int16)
        part = slice(done, done + len(six))
        for column, values in enumerate(unpack_axes(six).T):
            data[part, column] = values * slope[column] - shift[column]
        light[part] = ((six[:, 4] & 15) << 6) | (six[:, 5] >> 2)
        button[part] = (six[:, 5] & 2) != 0
        done += len(six)
    return data, light, button


def unpack_axes(six: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Three signed 12-bit values from the first 36 bits of each 6 bytes; shape ``(time, 6)`` -> ``(time, 3)``."""
    x = (six[:, 0] << 8) | (six[:, 1] & 0xF0)
    y = (six[:, 1] << 12) | (six[:, 2] << 4)
    z = (six[:, 3] << 8) | (six[:, 4] & 0xF0)
    # Each value sits in the upper 12 of 16 bits, so the shift down extends its sign.
    return np.stack([x, y, z], axis=1) >> 4
