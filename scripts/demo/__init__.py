"""The whole life cycle on one machine: a local chain, the API, verifier nodes, honest and dishonest people."""
