"""Locality-sensitive fingerprints of traces, and the committee's consensus on them."""
