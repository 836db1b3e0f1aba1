"""Chapter 7: the feature tensor, its quantization and its repacking into pictures."""
