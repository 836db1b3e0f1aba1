"""Chapter 10: model updates. Differences of models (DoM), quantised and entropy-coded, applied to the right base."""
