"""Rate control, and how rate is divided among tensors: choices of an encoder, from what it measures."""
