"""Apply a benchmark to a corpus: its windows, classes and splits, and the published figures beside the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinelet.errors import BadOptionError
from kinelet.evaluate.benchmarks import BENCHMARKS, Setting, Trust

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus
    from kinelet.evaluate.judge import JudgeConfig
    from kinelet.evaluate.result import Result

_MEANING: dict[Trust, str] = {
    "context": "for context",
    "honest bar": "an honest bar",
    "suspect": "suspect, since its code leaks test windows (docs/relcon-benchmarks.md)",
}
_FILLED = ("site", "window_s", "hop_s", "classes", "split", "folds")


def setting_of(config: JudgeConfig, corpus: Corpus) -> Setting | None:
    """What a benchmark says about the corpus's data set; ``None`` if the protocol is no benchmark.

    ``None`` too for another data set, if the user gives the window length: then only the learner is the benchmark's.

    Raises:
        BadOptionError: if the benchmark was never run on the data set, and no windows are given.
    """
    if config.protocol not in BENCHMARKS:
        return None
    known, found = BENCHMARKS[config.protocol], _datasets(corpus)
    if len(found) == 1 and found[0] in known:
        return known[found[0]]
    if "window_s" in config.model_fields_set:
        return None
    raise BadOptionError(
        f"{config.protocol} is defined for one of {', '.join(known)} at a time, and the corpus holds "
        f"{', '.join(found) or 'no public data set'}",
        where=str(corpus.path),
        remedy="Give window_s=… (and hop_s, classes, site, --split) to use its learner on other recordings",
    )


def settle(config: JudgeConfig, corpus: Corpus) -> JudgeConfig:
    """Fill in what a benchmark says and the user did not; other protocols' options are returned as they are.

    Raises:
        BadOptionError: as for :func:`setting_of`.
    """
    setting = setting_of(config, corpus)
    if setting is None:
        return config
    filled = {name: getattr(setting, name) for name in _FILLED if name not in config.model_fields_set}
    return config.model_copy(update=filled)


def context(config: JudgeConfig, corpus: Corpus, result: Result) -> tuple[str, ...]:
    """Published figures beside a result, as lines; none where there are none."""
    setting = setting_of(config, corpus)
    if setting is None:
        return ()
    here = f"here: {_mean(result, 'macro_f1')} macro-F1, kappa {_mean(result, 'kappa')}, mean over test folds ± sd"
    changed = [n for n in _FILLED if getattr(config, n) != getattr(setting, n)]
    note = (f"not the published windows or splits: {', '.join(changed)}",) if changed else ()
    return (here, *_by_trust(setting), *note)


def _by_trust(setting: Setting) -> list[str]:
    lines = []
    for trust, meaning in _MEANING.items():
        if own := [str(p) for p in setting.published if p.trust == trust]:
            lines.append(f"published, {meaning}: {'; '.join(own)}")
    return lines


def _mean(result: Result, metric: str) -> str:
    values = 100 * result.per_fold(metric)
    return f"{np.nanmean(values):.1f} ± {np.nanstd(values):.1f}"


def _datasets(corpus: Corpus) -> list[str]:
    return sorted({r.dataset or "recordings of no public data set" for r in corpus.recordings})
