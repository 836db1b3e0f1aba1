"""8.6 The native payload: integers, coded with contexts from what was decoded before."""
