"""Names of the public datasets, and their modules loaded when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.datasets.base import Dataset

DATASETS: dict[str, str] = {
    name: f"kinelet.datasets.{name}"
    for name in (
        "seglearn_watch",
        "classyglass",
        "geotec",
        "umafall",
        "uci_har",
        "utd_mhad",
        "stress_predict",
        "voisard",
        "oxford_step",
        "mobgap_lab",
        "wisdm",
        "wisdm_v1",
        "pamap2",
        "opportunity",
        "hhar",
        "motionsense",
        "realworld_har",
        "ego_exo4d",
        "ego4d",
        "mod",
        "acids",
    )
}
"""Name -> module that holds ``DATASET``."""


def list_datasets() -> list[str]:
    """Names of all datasets with a loader.

    >>> "uci_har" in list_datasets()
    True
    """
    return list(DATASETS)


def get_dataset(name: str) -> Dataset[Any]:
    """Return a dataset by name.

    Raises:
        BadOptionError: No such dataset; the message lists the names.
    """
    if name not in DATASETS:
        raise BadOptionError(f"no dataset {name!r}", remedy=f"Datasets: {', '.join(DATASETS)}")
    dataset: Dataset[Any] = import_module(DATASETS[name]).DATASET
    return dataset
