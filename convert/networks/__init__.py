"""The networks that checkpoints are poured into, re-implemented once, at any width."""
