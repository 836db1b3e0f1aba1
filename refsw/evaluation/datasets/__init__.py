"""Informative: data sets in the layouts in which they are distributed."""

from refsw.evaluation.datasets.base import Dataset, Item, StoredDataset

__all__ = ["Dataset", "Item", "StoredDataset"]
