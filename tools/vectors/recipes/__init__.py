"""The recipes, by concept; every module adds its own to the catalogue."""

from __future__ import annotations

from importlib import import_module

from vectors.catalog import Catalog

MODULES = (
    "elements", "truncations", "units", "tensors", "quantizers", "pairs", "bytecodecs", "compressed", "images",
    "image_containers", "hevc", "hevc_broken", "hevc_tools", "hevc_headers", "hevc_references", "hevc_substreams",
    "vvc", "order", "levels", "models", "model_coders", "model_levels",
    "model_broken", "model_syntax", "texts", "mended", "outcomes",
    "parts", "parts_broken", "captures", "capture_sessions", "capture_files", "capture_packets",
    "capture_units", "native", "native_numbers", "prediction", "layers", "layers_broken",
    "transform", "transform_broken",
)  # fmt: skip


def catalog() -> Catalog:
    """All recipes."""
    out = Catalog()
    for name in MODULES:
        import_module(f"vectors.recipes.{name}").register(out)
    return out
