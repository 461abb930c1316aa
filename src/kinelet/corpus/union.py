"""Several corpora as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from kinelet.corpus.corpus import Corpus
from kinelet.corpus.manifest import RecordingInfo
from kinelet.errors import BadOptionError


def union(corpora: Iterable[Corpus], *, same_people: bool = False) -> Corpus:
    """Several corpora as one; nothing is copied.

    People and recordings get their corpus's folder name before theirs (with a number where folder names repeat),
    since "subject 1" of one study is not "subject 1" of another.

    Args:
        corpora: What to join.
        same_people: Subjects with the same name are the same person.
    """
    parts = list(corpora)
    if not parts:
        raise BadOptionError("a union of no corpora", remedy="Give at least one")
    used: Counter[str] = Counter()
    recordings: list[RecordingInfo] = []
    tables = []
    for part in parts:
        used[part.path.name] += 1
        n = used[part.path.name]
        prefix = part.path.name if n == 1 else f"{part.path.name}-{n}"
        recordings += [_renamed(r, part, prefix, same_people) for r in part.recordings]
        ids = pc.binary_join_element_wise(prefix, part.annotations["recording"], ":")
        tables.append(part.annotations.set_column(0, "recording", ids))
    recordings.sort(key=lambda r: r.id)
    return Corpus(parts[0].path, recordings, pa.concat_tables(tables))


def _renamed(info: RecordingInfo, part: Corpus, prefix: str, same_people: bool) -> RecordingInfo:
    identity, subject = f"{prefix}:{info.id}", info.subject if same_people else f"{prefix}:{info.subject}"
    before = {
        "part_subject": info.row.get("part_subject", info.subject),
        "part_hash": info.row.get("part_hash", part.hash),
        "part": prefix,
        "part_path": info.row.get("part_path", str(part.path)),
        "part_id": info.row.get("part_id", info.id),
    }
    return replace(info, id=identity, subject=subject, row={**info.row, **before, "id": identity, "subject": subject})
