"""Who decides which pairs are kept: rules as pure functions, and their adapters."""
