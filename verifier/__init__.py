"""What a member of the committee runs: fingerprints, models, workloads that can be run again, and the node."""
