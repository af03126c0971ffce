"""From raw parallel text to a binarised corpus: one engine behind all ``data-prep/`` scripts."""
