"""How fast the Assistant is: every target beside what was measured, medians of repeats."""
