"""Models as content-addressed manifests: architecture, weights, numeric class, sampling rule and calibrated profile."""
