"""Sentences as people write them to sentences that can be compared."""

from __future__ import annotations

import re

WEARER, LIMIT = "the person", 128

# How first-person video sets mark who acts: "#C C" or a lone capital C for the wearer, "#O" for somebody else.
_ALONE = r"""(?:(?<!\S)|(?<=\s["'(])|(?<=\A["'(]))C(?=[.,;:!?)"']*(?:\s|\Z)|'s(?!\w))"""
_WEARER = re.compile(rf"#[Cc]\s+[Cc](?![\w#-])|#[Cc](?![\w-])|{_ALONE}")
_OTHER = re.compile(r"#(?:[Oo]|[Ss]ummary)(?![\w-])")
_UNSURE = re.compile(r"#[Uu]nsure(?![\w-])")


def clean_sentence(text: str, wearer: str = WEARER, limit: int = LIMIT) -> str:
    """A sentence in lower case, with words for the markers of narrated video; no letter inside a word is touched.

    The stand-alone wearer token (``C``, ``#C``, ``#C C``) becomes ``wearer``; ``#unsure`` becomes ``something``;
    the markers ``#O`` (somebody else acts) and ``#Summary`` are left out, not their sentences; white space is single;
    what is longer than ``limit`` is cut after the last whole word. Where no letter and no digit remains, nothing does.

    Args:
        text: What the annotator wrote.
        wearer: Word or words for who wears the sensor; ``""`` leaves the token out.
        limit: Longest result, in characters.
    """
    text = _UNSURE.sub("something", _OTHER.sub("", text))
    text = _WEARER.sub(lambda _: wearer, text)
    text = _shorten(" ".join(text.lower().split()), limit)
    return text if any(c.isalnum() for c in text) else ""


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = text[: limit + 1].rsplit(" ", 1)
    return (head[0] if len(head) == 2 else text[:limit]).rstrip()
