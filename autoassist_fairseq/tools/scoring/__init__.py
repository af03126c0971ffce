"""Scores translations, each figure labelled with what it is."""
