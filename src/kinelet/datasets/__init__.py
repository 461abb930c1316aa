"""Public datasets: from the publisher's files to recordings, one module a set."""

from kinelet.datasets.registry import DATASETS, get_dataset, list_datasets

__all__ = ["DATASETS", "get_dataset", "list_datasets"]
