"""Recordings of many people on disk, windows of them, batches of windows, and splits of people."""

from kinelet.corpus.build import build
from kinelet.corpus.corpus import Corpus
from kinelet.corpus.moment_sampler import MomentSampler
from kinelet.corpus.moments import Moments, moments
from kinelet.corpus.parts import Parts
from kinelet.corpus.process import BuildConfig
from kinelet.corpus.splits import Split, holdout, kfold, leave_one_subject_out, official
from kinelet.corpus.union import union
from kinelet.corpus.views import View, views_of
from kinelet.corpus.windows import Windows

__all__ = [
    "BuildConfig",
    "Corpus",
    "MomentSampler",
    "Moments",
    "Parts",
    "Split",
    "View",
    "Windows",
    "build",
    "holdout",
    "kfold",
    "leave_one_subject_out",
    "moments",
    "official",
    "union",
    "views_of",
]
