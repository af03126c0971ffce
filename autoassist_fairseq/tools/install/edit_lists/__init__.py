"""The edits of fairseq, by what they are about."""
