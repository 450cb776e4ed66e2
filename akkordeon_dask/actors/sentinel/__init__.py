"""The sentinel: its actor, its behavior, its passes."""
