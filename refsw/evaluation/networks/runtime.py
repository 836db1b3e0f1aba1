"""Informative: ONNX Runtime, set so that the same input gives the same bits whatever else the machine does."""

from __future__ import annotations

from typing import Any

from refsw.evaluation.extras import optional


def open_session(model: bytes) -> Any:
    """A session on one thread of the CPU, with deterministic kernels.

    Args:
        model: an ONNX file.
    """
    runtime = optional("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    # Errors are raised; warnings about graphics cards that are not there help nobody.
    options.log_severity_level = 3
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def macs_of(session: Any) -> int | None:
    """Multiply-accumulates that the metadata of a model state."""
    stated = session.get_modelmeta().custom_metadata_map.get("macs")
    return None if stated is None else int(stated)
