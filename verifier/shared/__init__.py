"""Jobs with SHARED settlement: a batch is worked out as a whole, and its payload says who is paid what."""
