"""Informative: what information theory says of features and pictures, after the tutorial of ICME 2022, part 1.

On discrete networks that are small enough everything is exact (`exact`, `ratedistortion`, `networks`); on samples of
real networks there are estimates, each with its bias (`estimates`), and for decisions a bound of any code (`bounds`).
"""

from refsw.evaluation.information.bounds import DecisionBound
from refsw.evaluation.information.estimates import Estimate, ksg, plug_in_entropy, plug_in_information
from refsw.evaluation.information.exact import conditional_entropy, entropy, mutual_information
from refsw.evaluation.information.networks import DiscreteNetwork, Order, random_networks, verify_order
from refsw.evaluation.information.ratedistortion import Trade, blahut_arimoto

__all__ = [
    "DecisionBound", "DiscreteNetwork", "Estimate", "Order", "Trade", "blahut_arimoto", "conditional_entropy",
    "entropy", "ksg", "mutual_information", "plug_in_entropy", "plug_in_information", "random_networks", "verify_order",
]  # fmt: skip
