"""Search both ways between motion and what it was paired with: what ``kinelet evaluate --protocol retrieval`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field

from kinelet.config import FrozenModel, Listed, Names
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.streams import proper
from kinelet.corpus.windows import Placement, Windows
from kinelet.deploy.loading import load
from kinelet.deploy.words import ALIGNMENT
from kinelet.encoders.base import Encoder
from kinelet.encoders.headed import HeadedEncoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.both_ways import Sides, both_ways
from kinelet.evaluate.honesty import card_note, new_people
from kinelet.evaluate.ranking import KS
from kinelet.evaluate.retrieval_result import RetrievalResult
from kinelet.evaluate.task import FloatArray, unit_factors
from kinelet.methods.base import Modality
from kinelet.progress import Progress, silent
from kinelet.towers.base import same_probe
from kinelet.train.pairing import Pairing


class RetrievalConfig(FrozenModel):
    """How a run is searched with.

    Attributes:
        modalities: Which of the corpus's, a list or a text with commas between names; ``None`` for all in a space that
            the encoder has a head for.
        people: Whom to judge on; ``None`` for everybody the encoder was not pretrained on.
        same_sentence: Items with a place in a recording (clips) of windows with the same sentence are right answers
            too; what sentences are right for a window does not depend on it.
        window_s: Window length in seconds; ``None`` for the encoder's own.
        hop_s: Hop in seconds; ``None`` for windows that do not overlap.
        placement: How windows are laid; see :meth:`kinelet.corpus.corpus.Corpus.windows`.
        track: Annotations that ``annotation`` and ``stretch`` go by.
        purity: Share of a window that a sentence about an interval must cover.
        site: Recordings of this body site only; ``None`` for all.
        ks: Lengths of the lists looked at.
    """

    modalities: Names | None = None
    people: Names | None = None
    same_sentence: bool = True
    window_s: float | None = Field(default=None, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    placement: Placement = "grid"
    track: str = "activity"
    purity: float = Field(default=0.5, gt=0, le=1)
    site: str | None = None
    ks: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Listed] = Field(default=KS, min_length=1)


def judge_retrieval(
    run: str | Path, corpus: Corpus, config: RetrievalConfig, *, progress: Progress = silent
) -> list[RetrievalResult]:
    """Search with a run in both directions; results go to ``evaluation/`` in the run directory.

    Args:
        run: Run directory or model folder.
        corpus: Corpus with sentences or other modalities; see ``kinelet corpus annotate``.
        config: How.
        progress: Told how many percent are done.

    Raises:
        SeenSubjectError: if everybody in the corpus, or somebody asked for, was in pretraining.
        BadOptionError: if the corpus has nothing that the encoder can be compared with.
    """
    folder = Path(run)
    encoder = load(folder)
    windows = cut(corpus, encoder, config)
    name = f"{encoder.card.get('method', 'encoder')} ({folder.name})"
    results = retrieval_results(encoder, windows, config, name=name, progress=progress)
    place = folder / "evaluation" / f"{corpus.path.name}-retrieval"
    for old in place.glob("*.json"):
        old.unlink()
    for i, result in enumerate(results):
        result.save(place / f"{i:02d}-{result.direction.replace(' -> ', '-to-')}.json")
    return results


def cut(corpus: Corpus, encoder: Encoder, config: RetrievalConfig) -> Windows:
    """Windows of people new to the encoder, in its rate and channels."""
    part = corpus.select(site=config.site) if config.site else corpus
    windows = proper(part, encoder.spec.channels).windows(
        config.window_s or encoder.spec.window_s or 5.0,
        config.hop_s,
        track=config.track,
        placement=config.placement,
        purity=config.purity,
        channels=encoder.spec.channels,
    )
    factors = unit_factors(windows.spec, encoder.spec)
    spec = windows.spec if factors is None else windows.spec.replace(units=encoder.spec.units)
    encoder.spec.require(spec, where=str(corpus.path))
    present = tuple(windows.subjects[i] for i in np.unique(windows.subject))
    return windows.of(new_people(encoder, corpus, config.people or present, chosen=config.people is not None))


def retrieval_results(
    encoder: Encoder,
    windows: Windows,
    config: RetrievalConfig,
    *,
    name: str,
    progress: Progress = silent,
) -> list[RetrievalResult]:
    """Search among windows with each modality, both ways.

    The gallery is all windows that have the modality, or all of its items that belong to one of them; nothing else is
    left out. Intervals are over people: drawn anew with all their windows, as queries (``motion -> …``) or as the
    gallery (``… -> motion``).

    Args:
        encoder: Its card says under ``alignment`` which head goes with which space.
        windows: Of people that it was not pretrained on; see :func:`cut`.
        config: How.
        name: What to call the encoder.
        progress: Told how many percent are done.

    Raises:
        BadOptionError: if there is nothing to compare with.
    """
    pairing = Pairing([windows], config.modalities)
    heads = {m.name: head_for(encoder, m) for m in pairing.modalities}
    missing = [m for m, head in heads.items() if head is None]
    if len(missing) == len(heads) or (config.modalities and missing):
        raise _nothing_to_compare(encoder, pairing.modalities, missing, str(windows.corpus.path))
    known = {m: head for m, head in heads.items() if head is not None}
    motion = embed_outputs(encoder, windows, set(known.values()))
    note = card_note(encoder)
    notes = [*([note] if note else []), *(f"no head for the space of {m}" for m in missing)]
    out: list[RetrievalResult] = []
    for modality, head in known.items():
        progress(50 * len(out) // len(known), modality)
        sides = Sides.of(modality, motion[head], windows, pairing, config.same_sentence)
        out += both_ways(modality, sides, config.ks, name, notes)
    progress(100)
    return out


def _nothing_to_compare(
    encoder: Encoder, there: Sequence[Modality], missing: Sequence[str], where: str
) -> BadOptionError:
    """What the corpus has, and what the encoder would need."""
    heads = [f"{m} (space {e['space']!r})" for m, e in encoder.card.get(ALIGNMENT, {}).items()]
    known = f"the encoder was aligned with {', '.join(heads)}" if heads else "the encoder was aligned with nothing"
    if not there:
        said = "nothing is attached to the corpus, neither sentences nor vectors"
        return BadOptionError(f"{said}; {known}", where=where, remedy="Attach some with kinelet corpus annotate")
    lacking = [f"{m.name} (space {m.space!r})" for m in there if m.name in missing]
    return BadOptionError(
        f"the encoder has no head for {', '.join(lacking)} of the corpus; {known}",
        where=where,
        remedy="Attach vectors of a space that it was aligned with: kinelet corpus annotate"
        if heads
        else "Align one with it: kinelet pretrain primus",
    )


def head_for(encoder: Encoder, modality: Modality) -> str | None:
    """Head that was aligned with a modality's space, by the encoder's card; ``None`` if there is none.

    Raises:
        BadOptionError: if the space has the same name, but its vectors were made by another tower.
    """
    entries: Mapping[str, Any] = encoder.card.get(ALIGNMENT, {})
    for entry in (e for e in entries.values() if e["space"] == modality.space):
        same = same_probe(str(entry.get("probe") or ""), modality.probe)
        if entry["dim"] != modality.dim or not same:
            raise BadOptionError(
                f"vectors of {modality.name!r} are {modality.dim} wide by {modality.tower!r}, the encoder was aligned "
                f"with {entry['dim']} by {entry['tower']!r}"
                + ("" if same else ", whose probe items have other vectors"),
                where=f"space {modality.space!r}",
                remedy="Attach them again with the tower of pretraining",
            )
        return str(entry["head"])
    return None


@torch.inference_mode()
def embed_outputs(
    encoder: Encoder, windows: Windows, outputs: set[str], batch_size: int = 512
) -> dict[str, FloatArray]:
    """Several outputs of an encoder from one pass over windows in its units, ``(window, width)`` each."""
    encoder.eval()
    factors = unit_factors(windows.spec, encoder.spec)
    scale = np.float32(1) if factors is None else factors[:, None]
    device = next(encoder.parameters()).device
    parts: dict[str, list[FloatArray]] = {output: [] for output in outputs}
    for i in range(0, len(windows), batch_size):
        x = torch.from_numpy(windows.gather(np.arange(i, min(i + batch_size, len(windows)))) * scale).to(device)
        found = encoder.outputs(x) if isinstance(encoder, HeadedEncoder) else {"backbone": encoder(x)}
        for output in outputs:
            parts[output].append(found[output].float().cpu().numpy())
    return {output: np.concatenate(part) for output, part in parts.items()}
