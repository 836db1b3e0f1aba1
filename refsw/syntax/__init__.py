"""Chapters 4 to 6: descriptors, units, syntax structures and code points."""
