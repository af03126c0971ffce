"""The report on finished and unfinished runs: one page, one Markdown file, and its figures."""
