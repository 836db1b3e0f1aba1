"""Chapter 9: coding and decoding feature tensors."""
