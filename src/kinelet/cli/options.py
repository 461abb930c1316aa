"""``key=value`` arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def parse_options(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Turn ``key=value`` arguments into a dictionary; values are read as YAML.

    Raises:
        BadOptionError: if a pair is not of that form.
    """
    from kinelet.config import apply_overrides

    return apply_overrides({}, pairs or ())
