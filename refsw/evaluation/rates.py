"""Informative: how much a bitstream takes, against the elements, the input picture, and the features themselves.

MM'19 is Z. Chen, K. Fan, S. Wang, L.-Y. Duan, W. Lin, A. C. Kot: "Lossy Intermediate Deep Learning Feature
Compression and Evaluation", ACM Multimedia 2019. Every rate is a ratio of totals over a sample set, not a mean of
ratios: bytes of all bitstreams over what all of them stand for.
"""

from __future__ import annotations

from refsw.evaluation.errors import EvaluationError

BITS = 8
COLOURS = 3


def compression_rate(coded_bytes: int, original_bytes: int) -> float:
    """MM'19 (1): data volume after compression / data volume before, both in bytes.

    Raises:
        EvaluationError: there is nothing before, or less than nothing after.
    """
    if original_bytes <= 0 or coded_bytes < 0:
        raise EvaluationError(f"compression rate of {coded_bytes} to {original_bytes} bytes is not defined")
    return coded_bytes / original_bytes


def bits_per_element(coded_bytes: int, elements: int) -> float:
    """Bits of the bitstream for each element of the features.

    Raises:
        EvaluationError: no elements, or a negative size.
    """
    return _bits_per(coded_bytes, elements, "element")


def bits_per_pixel(coded_bytes: int, pixels: int) -> float:
    """Bits of the bitstream for each pixel (all colours together) of the pictures that went into the network.

    Args:
        coded_bytes: size of the bitstream.
        pixels: height * width of the input, summed over the pictures.

    Raises:
        EvaluationError: no pixels, or a negative size.
    """
    return _bits_per(coded_bytes, pixels, "pixel")


def volume_against_input(coded_bytes: int, pixels: int, *, coded_input_bytes: int | None = None) -> float:
    """MM'19, Figure 5: data volume of the coded features in units of that of the input picture.

    Args:
        coded_bytes: size of the bitstream.
        pixels: height * width of the input, summed over the pictures; each is taken as three bytes.
        coded_input_bytes: compare with the pictures as they are coded (the JPEG files, say) instead.

    Raises:
        EvaluationError: there is no input, or a negative size.
    """
    return compression_rate(coded_bytes, COLOURS * pixels if coded_input_bytes is None else coded_input_bytes)


def _bits_per(coded_bytes: int, count: int, what: str) -> float:
    if count <= 0 or coded_bytes < 0:
        raise EvaluationError(f"bits per {what} of {coded_bytes} bytes for {count} are not defined")
    return BITS * coded_bytes / count
