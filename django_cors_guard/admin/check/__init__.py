"""Check an origin: what a page gets, and why."""
