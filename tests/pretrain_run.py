"""A run on a corpus, as a program that can be started under a rendezvous.

``python pretrain_run.py FOLDER CORPUS [key=value …]``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from kinelet.config import apply_overrides, validate
from kinelet.corpus.corpus import Corpus
from kinelet.train import distributed
from kinelet.train.pretrain import PretrainConfig, pretrain


def main() -> None:
    """Train into ``FOLDER``."""
    torch.set_num_threads(1)
    config = validate(PretrainConfig, apply_overrides({}, sys.argv[3:]))
    pretrain(Corpus.open(sys.argv[2]), Path(sys.argv[1]), config)
    distributed.leave(distributed.join("cpu"))


if __name__ == "__main__":
    main()
