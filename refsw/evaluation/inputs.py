"""Informative: the places before a network at which the picture itself is sent: remote inference.

`input` is the picture as the data set has it, `input-resized` the picture of the size that the network takes, before
its samples become binary32. What is decoded goes the same way as the picture did, through the same network.
"""

INPUT, INPUT_RESIZED = "input", "input-resized"
INPUTS = (INPUT, INPUT_RESIZED)
