"""Training: what a trainer does in a round, honest or not, and rounds without a chain."""
