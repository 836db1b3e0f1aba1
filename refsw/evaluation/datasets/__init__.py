"""Informative: data sets in the layouts in which they are distributed."""

from refsw.evaluation.datasets.base import Dataset, Item, StoredDataset
from refsw.evaluation.datasets.opening import KINDS, open_dataset

__all__ = ["KINDS", "Dataset", "Item", "StoredDataset", "open_dataset"]
