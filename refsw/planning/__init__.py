"""Informative: where to cut a network: latency and energy of every cut over links, from what anchor runs measured."""
