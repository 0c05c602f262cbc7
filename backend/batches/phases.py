"""The names of the court's phases and outcomes, in the order of its enums."""

PHASES = ("none", "recorded", "commit", "disclose", "reveal", "tally", "decided", "settled")
OUTCOMES = ("none", "unsampled", "pass", "grey", "unavailable", "fraud", "refunded", "canary")
FAULTS = ("absent", "outlier", "withheld", "overturned")
