"""Informative: anchors under common test conditions: conditions as data, runs that resume, reports, cross-checks."""
