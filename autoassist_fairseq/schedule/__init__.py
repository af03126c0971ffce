"""How the method runs: passes, windows, plans, queues and the background thread. No fairseq."""
