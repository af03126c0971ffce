"""Programs that run fairseq with the plug-in, to measure and to prove it; nothing imports them."""
