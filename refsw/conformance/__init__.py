"""Chapter 13: the judge. Suites of vectors, decoders under test, comparison, outcomes, reports."""
