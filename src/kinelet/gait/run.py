"""Judge a run on the walks of a corpus: what ``kinelet evaluate --protocol gait`` does."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from kinelet.corpus.corpus import Corpus
from kinelet.deploy.loading import load
from kinelet.evaluate.judge import plain_name, save_results
from kinelet.evaluate.result import Result
from kinelet.gait.config import GaitConfig
from kinelet.gait.cut import SHORTEST_S, cut_walks
from kinelet.gait.judge import gait_results
from kinelet.gait.walks import Walks
from kinelet.progress import Progress, silent
from kinelet.signal.spec import SignalSpec


class GaitRunConfig(GaitConfig):
    """How a run is judged on the walks of a corpus.

    Attributes:
        window_s: Window length in seconds; ``None`` for the encoder's own.
        hop_s: From one window's start to the next; ``None`` for half a window.
        shortest_s: Shortest walking bout.
        system: Ending of the tracks' names, where there are several reference systems.
        site: Recordings of this body site only.
    """

    window_s: float | None = Field(default=None, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    shortest_s: float = Field(default=SHORTEST_S, gt=2)
    system: str = ""
    site: str | None = None


def corpus_walks(corpus: Corpus, spec: SignalSpec, config: GaitRunConfig) -> Walks:
    """Walks of a corpus in an encoder's signal.

    Raises:
        BadOptionError: if no recording has the site, or no walking bout is long enough.
    """
    chosen = corpus if config.site is None else corpus.select(site=config.site)
    return cut_walks(
        (chosen.recording(r.id) for r in chosen.recordings),
        spec.replace(window_s=config.window_s or spec.window_s),
        name=corpus.path.name,
        hop_s=config.hop_s,
        shortest_s=config.shortest_s,
        system=config.system,
        identities={s: frozenset(chosen.identities([s])) for s in chosen.subjects},
    )


def judge_gait(run: str | Path, corpus: Corpus, config: GaitRunConfig, *, progress: Progress = silent) -> list[Result]:
    """Judge a run and its baselines on every gait target; results go to ``evaluation/`` in the run directory.

    Args:
        run: Run directory or model folder.
        corpus: Corpus with foot events, steps or values on walking bouts.
        config: How.
        progress: Told how many percent of the targets are done.

    Raises:
        SeenSubjectError: if the run was pretrained on all people of the corpus.
        BadOptionError: if corpus, run and options do not fit together.
    """
    folder = Path(run)
    encoder = load(folder)
    walks = corpus_walks(corpus, encoder.spec, config)
    name = f"{encoder.card.get('method', 'encoder')} ({folder.name})"
    results = gait_results({name: encoder}, walks, config, progress=progress)
    for task in dict.fromkeys(r.task for r in results):
        save_results(folder / "evaluation" / plain_name(f"{task}-gait"), [r for r in results if r.task == task])
    return results
