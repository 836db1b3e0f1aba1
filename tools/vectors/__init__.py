"""The generator of the conformance vectors: recipes that are data, and what turns them into bitstreams."""
