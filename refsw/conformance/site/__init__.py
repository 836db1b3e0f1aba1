"""13.9 Results of many runs as static pages that work from a file."""
