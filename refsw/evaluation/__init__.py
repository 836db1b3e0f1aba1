"""Informative: how good coded features are, measured as the papers do.

The metrics are here; networks, data sets, tasks and runs under common test conditions are in the packages
`networks`, `datasets`, `tasks` and `anchors` (docs/anchors.md).
"""

from refsw.evaluation.bdrate import Curve, Difference, Interpolation, NonMonotone, bd_metric, bd_rate
from refsw.evaluation.boxes import Boxes, iou
from refsw.evaluation.bubble import bubble_index, bubble_indices
from refsw.evaluation.detection import Points, coco_average_precision, voc_average_precision
from refsw.evaluation.distortion import feature_mse, psnr_db, snr_db, task_distortion
from refsw.evaluation.fidelity import accuracy, classification_fidelity, detection_fidelity, retrieval_fidelity
from refsw.evaluation.rates import bits_per_element, bits_per_pixel, compression_rate, volume_against_input
from refsw.evaluation.retrieval import Distance, cumulative_match, mean_average_precision, rank

__all__ = [
    "Boxes",
    "Curve",
    "Difference",
    "Distance",
    "Interpolation",
    "NonMonotone",
    "Points",
    "accuracy",
    "bd_metric",
    "bd_rate",
    "bits_per_element",
    "bits_per_pixel",
    "bubble_index",
    "bubble_indices",
    "classification_fidelity",
    "coco_average_precision",
    "compression_rate",
    "cumulative_match",
    "detection_fidelity",
    "feature_mse",
    "iou",
    "mean_average_precision",
    "psnr_db",
    "rank",
    "retrieval_fidelity",
    "snr_db",
    "task_distortion",
    "voc_average_precision",
    "volume_against_input",
]
