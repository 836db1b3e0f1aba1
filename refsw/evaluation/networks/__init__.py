"""Informative: networks that are cut into a front that makes features and a back that goes on from them.

The setting of MM'19, sections 1 and 4.1: features leave the network at a layer, are coded, and are "passed to their
birth-layer of the corresponding neural network to infer the network outputs".
"""

from refsw.evaluation.networks.base import Complexity, Cut, Network, check_cut
from refsw.evaluation.networks.staged import StagedNetwork

__all__ = ["Complexity", "Cut", "Network", "StagedNetwork", "check_cut"]
