"""What can be run again: one class for each kind of work, and what a provider or a verifier does with it."""
