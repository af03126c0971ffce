"""A corpus spoiled in a known way."""
