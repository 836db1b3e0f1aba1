"""Informative: how good coded features are, measured as the papers do, and the main job on shipped data."""
