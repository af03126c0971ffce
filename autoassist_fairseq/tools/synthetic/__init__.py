"""A made-up corpus of any size, shaped like WMT14 En-De, in the format of fairseq-preprocess."""
