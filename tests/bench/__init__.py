"""Speed against a plain numpy loop, taken alternately in one run. Never a timed test."""
