"""Informative: bitstreams made of others, unit by unit, without decoding: less of one, or several in one."""
