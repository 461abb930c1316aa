"""Names that a modality can have."""

from __future__ import annotations

import re

from kinelet.errors import BadOptionError

#: What methods call something else by: heads, the motion tower's space, places to look for neighbours.
RESERVED = ("ss", "motion", "auto", "backbone")
NEIGHBOURS = "nn_"


def is_reserved(name: str) -> bool:
    """Whether a method means something else by it."""
    return name in RESERVED or name.startswith(NEIGHBOURS)


def check_name(modality: str) -> None:
    """Refuse what cannot name a modality that is to be attached.

    Raises:
        BadOptionError: if it is not made of letters, digits, ``_`` and ``-``, or means something else in pretraining.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", modality):
        remedy = "Use letters, digits, _ and -, such as: text, video_front"
        raise BadOptionError(f"{modality!r} cannot name a modality", remedy=remedy)
    if is_reserved(modality):
        remedy = f"Not to be used: {', '.join(RESERVED)}, and names that begin with {NEIGHBOURS}"
        raise BadOptionError(
            f"{modality!r} cannot name a modality: pretraining means something else by it", remedy=remedy
        )
