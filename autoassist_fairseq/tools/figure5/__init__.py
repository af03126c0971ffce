"""The AutoAssist paper's image experiments (Table 1, Figures 5 and 6), on the same rings."""
