"""Handles: the client's side of an actor."""
