"""Informative: what is done with features: classification, retrieval and detection, as MM'19, section 4.1, has them,
segmentation, tracking, recognition of text, and keypoints.

A task is made from a condition, a mapping that comes from a file of common test conditions:

    task: classification | retrieval | detection | segmentation | tracking | text | keypoints
    network: {kind: ..., ...}        see `refsw.evaluation.networks.specification`
    dataset: {kind: ..., root: ..., ...}   see `refsw.evaluation.datasets`
    options: {...}                   of the task, see its class
    layers: [...]                    cuts of the network; checked if given

`kind: mini` takes network or data set from the package, `kind: toy` those of the toy example of classification.
"""

from refsw.evaluation.tasks.base import Task
from refsw.evaluation.tasks.opening import open_task

__all__ = ["Task", "open_task"]
