"""The inputs of encoders, by what they are."""
