"""``key=value`` arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def parse_options(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Turn ``key=value`` arguments into a dictionary; values are read as YAML, a person's name as it stands.

    Raises:
        BadOptionError: if a pair is not of that form.
    """
    from kinelet.config import apply_overrides

    found = apply_overrides({}, pairs or ())
    # Read as YAML, person 007 would be the number 7.
    named = [p.partition("=")[2] for p in pairs or () if p.startswith("subject=")]
    return {**found, "subject": named[-1]} if named else found
