"""Fail if the environment holds a package that must not be there, or a CUDA build of torch."""

import sys
from importlib import metadata

import torch

present = {d.metadata["Name"].lower().replace("_", "-") for d in metadata.distributions()}
wrong = sorted(n for n in present if n in ("torchvision", "torchaudio", "triton") or n.startswith("nvidia-"))
if torch.version.cuda:
    wrong.append(f"torch built for CUDA {torch.version.cuda}")
if wrong:
    sys.exit(f"not allowed in this environment: {', '.join(wrong)}")
print("environment: no torchvision, no torchaudio, no CUDA")
