"""Runs parley-bench against Parley and its peers, and shows what came of it."""
