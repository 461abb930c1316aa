"""Weights that other code wrote, by the name of that code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kinelet.deploy.import_primus import import_primus
from kinelet.deploy.import_relcon import import_relcon
from kinelet.distances.io import save_distance
from kinelet.distances.network import MotifNetwork
from kinelet.encoders.base import Encoder
from kinelet.encoders.io import save_encoder
from kinelet.errors import BadOptionError

Imported = Encoder | MotifNetwork

IMPORTERS: dict[str, Callable[..., Imported]] = {"primus": import_primus, "relcon": import_relcon}


def list_importers() -> tuple[str, ...]:
    """Names that :func:`import_weights` knows."""
    return tuple(IMPORTERS)


def import_weights(kind: str, path: str | Path, out: str | Path | None = None, **facts: object) -> Imported:
    """Turn a checkpoint of other code into an encoder or a distance network of kinelet.

    Args:
        kind: Which code wrote it; one of :func:`list_importers`.
        path: The checkpoint.
        out: Folder to write it to as well, for :func:`kinelet.load` or
            :func:`kinelet.distances.io.load_distance`.
        facts: What the file does not say; see :class:`kinelet.deploy.import_primus.PrimusFacts` and
            :class:`kinelet.deploy.import_relcon.RelConFacts`.

    Returns:
        The network in evaluation mode; what is known about it, and what was assumed, is in its ``card``.

    Raises:
        BadFileError: if the file is not such a checkpoint, naming keys that are missing, extra or misshapen.
        BadOptionError: if there is no such kind or fact.
    """
    if kind not in IMPORTERS:
        raise BadOptionError(f"no weights of {kind!r} are known", remedy=f"Choose one of: {', '.join(IMPORTERS)}")
    network = IMPORTERS[kind](path, **facts)
    if out is not None:
        save_imported(network, out)
    return network


def save_imported(network: Imported, folder: str | Path) -> Path:
    """Write an imported network into ``folder``, in the format of its kind."""
    if isinstance(network, Encoder):
        return save_encoder(network, folder)
    return save_distance(network, folder)
