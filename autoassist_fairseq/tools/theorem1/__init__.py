"""Theorem 1 of the AutoAssist paper (appendix A), checked by simulation."""
