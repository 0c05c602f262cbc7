"""Pure numerics: reputation, valuation of training and retrieval, economics. No input or output, no network."""
