"""Logic behind ``scripts/`` and ``python -m autoassist_fairseq``; never imports fairseq itself."""
