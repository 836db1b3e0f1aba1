"""13.12 Encoders under test: inputs, what is promised of every stream, and who keeps it."""
