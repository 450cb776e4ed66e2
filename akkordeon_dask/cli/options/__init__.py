"""Options and the types of their values."""
