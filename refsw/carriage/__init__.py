"""Chapter 14: bitstreams in RTP packets, and what a receiver makes of those that come."""
