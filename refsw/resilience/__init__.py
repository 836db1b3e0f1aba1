"""Informative: features over channels that lose packets: which elements are lost, and what is put in their place.

    estimate = conceal("caltec", tensor, received)       # float32 (C, H, W), a mask that is True where received
    channel = GilbertElliott(loss=0.1, burst=4)          # which packets are lost
    packets = row_packets(tensor.shape, rows=8)          # which elements each carries
    received = received_mask(tensor.shape, packets, channel.losses(len(packets), rng))

Nothing here changes what a decoder must do: a decoder says which elements it has (`refsw.Decoder`), what stands in for
the others is the receiver's choice. Sources: Bragilevsky and Bajic, Tensor completion methods for collaborative
intelligence, IEEE Access 2020 (ALTeC, SiLRTC, HaLRTC and FCP on features); Dhondea, Cohen and Bajic, CALTeC, ICIP 2021;
Bajic, Latent space inpainting, ICC 2021. docs/resilience.md has the methods measured side by side.
"""

from refsw.resilience.altec import AltecWeights, train_altec
from refsw.resilience.base import Method
from refsw.resilience.channels import CHANNELS, Channel, GilbertElliott, Iid, Trace
from refsw.resilience.concealment import conceal, conceal_features
from refsw.resilience.methods import METHODS, find_method
from refsw.resilience.packets import Packet, interleaved, part_packets, received_mask, row_packets

__all__ = [
    "CHANNELS",
    "METHODS",
    "AltecWeights",
    "Channel",
    "GilbertElliott",
    "Iid",
    "Method",
    "Packet",
    "Trace",
    "conceal",
    "conceal_features",
    "find_method",
    "interleaved",
    "part_packets",
    "received_mask",
    "row_packets",
    "train_altec",
]
