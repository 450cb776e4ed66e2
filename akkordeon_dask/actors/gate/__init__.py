"""The gate: its actor, its behavior and its state."""
