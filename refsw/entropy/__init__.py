"""What entropy coders share: interleaved rANS, raw bits, logarithms in integers."""
