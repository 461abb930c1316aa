"""Random windows a second: a kinelet corpus against a folder of one .npy file a window.

    python benchmarks/windows_throughput.py                       # synthetic corpus, about a minute
    python benchmarks/windows_throughput.py --corpus DIR          # a corpus of your own
    python benchmarks/windows_throughput.py --drop-caches         # cold runs empty the whole page cache (needs root)

Both layouts hold the same windows and are read by the same loop: batches of 64 windows, each window at most once, in
an order drawn at random, into one float32 array (batch, channel, time). Readers are processes; each reads its own
share. "Cold" runs first ask the kernel to forget the files (posix_fadvise, or all caches with --drop-caches); folder
and inode entries stay cached with posix_fadvise, which favours the many small files.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from kinelet.corpus import BuildConfig, Corpus, Windows, build
from kinelet.signal.recording import Recording
from kinelet.signal.spec import imu_spec

BATCH = 64
SPREAD = 1000  # files a folder, as a directory of very many files is slow on some file systems


def synthetic(people: int, hours: float, rate_hz: float) -> Iterator[Recording]:
    rng = np.random.default_rng(0)
    spec = imu_spec(rate_hz, site="wrist")
    n = round(hours * 3600 * rate_hz)
    for i in range(people):
        data = np.round(rng.normal(0, 0.4, (n, 3)) * 256).astype(np.float32) / 256
        yield Recording(data, spec, subject=f"P{i:03d}", name=f"P{i:03d}", resolution=(1 / 256,) * 3)


def npy_path(folder: Path, i: int) -> Path:
    return folder / f"{i // SPREAD:04d}" / f"{i:08d}.npy"


def write_npy(windows: Windows, index: np.ndarray, folder: Path) -> None:
    for start in range(0, len(index), SPREAD):
        part = windows.gather(index[start : start + SPREAD])
        for i, window in enumerate(part, start):
            path = npy_path(folder, i)
            path.parent.mkdir(exist_ok=True, parents=True)
            np.save(path, window)


def read_npy(folder: Path, order: np.ndarray) -> np.ndarray:
    return np.stack([np.load(npy_path(folder, i)) for i in order.tolist()])


def open_reader(kind: str, corpus: Path, folder: Path, window_s: float, index: np.ndarray) -> Any:
    if kind == "npy":
        return partial(read_npy, folder)
    windows = Corpus.open(corpus).windows(window_s)
    return lambda order: windows.gather(index[order])


def reader(job: tuple[str, Path, Path, float, np.ndarray, np.ndarray], ready: Any, go: Any, results: Any) -> None:
    kind, corpus, folder, window_s, index, order = job
    read = open_reader(kind, corpus, folder, window_s, index)
    ready.release()
    go.wait()
    started, checksum = time.monotonic(), 0.0
    for i in range(0, len(order), BATCH):
        checksum += float(read(order[i : i + BATCH])[0, 0, 0])
    results.put((started, time.monotonic(), checksum))


def measure(jobs: list[tuple[Any, ...]]) -> float:
    context = multiprocessing.get_context("spawn")
    ready, go, results = context.Semaphore(0), context.Event(), context.Queue()
    processes = [context.Process(target=reader, args=(job, ready, go, results)) for job in jobs]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    go.set()
    times = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return max(t[1] for t in times) - min(t[0] for t in times)


def forget(files: Iterable[Path], everything: bool) -> None:
    os.sync()
    if everything:
        subprocess.run(["sh", "-c", "echo 3 > /proc/sys/vm/drop_caches"], check=True)
        return
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def rate(kind: str, cold: bool, workers: int, args: argparse.Namespace, places: dict[str, Any]) -> float:
    count = len(places["index"]) if cold or kind == "npy" else args.warm_windows
    rng = np.random.default_rng(1)
    order = rng.permutation(len(places["index"])) if count <= len(places["index"]) else None
    order = rng.integers(0, len(places["index"]), count) if order is None else order[:count]
    files = places["corpus"].rglob("*.arrow") if kind == "kinelet" else places["npy"].rglob("*.npy")
    if cold:
        forget(files, args.drop_caches)
    shares = np.array_split(order, workers)
    common = (kind, places["corpus"], places["npy"], args.window_s, places["index"])
    jobs = [(*common, share) for share in shares]
    # The first warm run brings everything into the page cache; the best of the others is the least disturbed one.
    seconds = [measure(jobs) for _ in range(1 if cold else 1 + args.repeats)]
    return len(order) / min(seconds[-args.repeats :])


def show(found: dict[tuple[str, bool, int], float], args: argparse.Namespace, console: Console) -> None:
    table = Table("cache", "readers", "kinelet corpus (windows/s)", "one .npy a window (windows/s)", "ratio")
    for cold in (True, False):
        for workers in args.workers:
            ours, theirs = found["kinelet", cold, workers], found["npy", cold, workers]
            state = "cold" if cold else "warm"
            table.add_row(state, f"{workers}", f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.0f} x")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="corpus to read instead of a synthetic one")
    parser.add_argument("--window-s", type=float, default=2.56)
    parser.add_argument("--windows", type=int, default=20_000, help="windows written as .npy files, and read cold")
    parser.add_argument("--warm-windows", type=int, default=400_000, help="windows read from the warm corpus")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3, help="warm runs, of which the best counts")
    parser.add_argument("--drop-caches", action="store_true", help="cold: empty the whole page cache")
    parser.add_argument("--folder", type=Path, help="where to put files; a temporary folder if not given")
    args = parser.parse_args()
    console = Console()
    work = Path(tempfile.mkdtemp(dir=args.folder))
    try:
        corpus = args.corpus or work / "corpus"
        if args.corpus is None:
            build(synthetic(50, 1.0, 100.0), corpus, BuildConfig(quality=False))
        windows = Corpus.open(corpus).windows(args.window_s)
        index = np.random.default_rng(0).permutation(len(windows))[: args.windows]
        console.print(f"{len(index):,} of {windows!r} at {windows.spec.rate_hz:g} Hz, {os.cpu_count()} cores")
        write_npy(windows, index, work / "npy")
        places = {"corpus": corpus, "npy": work / "npy", "index": index}
        runs = [(kind, cold, n) for kind in ("kinelet", "npy") for cold in (True, False) for n in args.workers]
        show({run: rate(*run, args, places) for run in runs}, args, console)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
