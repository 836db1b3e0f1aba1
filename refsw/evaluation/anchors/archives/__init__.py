"""Informative: runs in single files: sealed with the digests of everything, and features that are frozen."""
