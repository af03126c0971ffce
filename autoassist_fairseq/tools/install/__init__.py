"""The corrected fairseq, and whether an installation is sound; standard library only."""
