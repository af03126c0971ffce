"""Pairs that are no translations, found by their text alone."""
