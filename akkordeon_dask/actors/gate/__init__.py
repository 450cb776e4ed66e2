"""The gate: its actor, its behavior, and what it keeps."""
