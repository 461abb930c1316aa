"""``key=value`` and ``NAME=VALUE`` arguments."""

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


def parse_named(option: str, item: str, value: str = "VIEW") -> tuple[str, str]:
    """Split what an option was given, ``NAME=VALUE``, into both.

    Args:
        option: The option, for the message.
        item: What it was given.
        value: What the value is, for the message.

    Raises:
        BadOptionError: if it is not of that form.
    """
    from kinelet.errors import BadOptionError

    name, equals, told = (part.strip() for part in item.partition("="))
    if not (name and equals and told):
        raise BadOptionError(f"{option} {item!r} is not of the form NAME={value}", remedy=f"For example {option} acc=…")
    return name, told


def parse_all_named(option: str, items: Sequence[str], value: str = "VIEW") -> dict[str, str]:
    """Values by name of an option that is repeated, each ``NAME=VALUE``.

    Raises:
        BadOptionError: if one is not of that form, or a name is given twice.
    """
    from kinelet.errors import BadOptionError

    found: dict[str, str] = {}
    for item in items:
        name, told = parse_named(option, item, value)
        if name in found:
            raise BadOptionError(
                f"{option} {name} is given twice: {found[name]} and {told}", remedy="Give each a name of its own"
            )
        found[name] = told
    return found
