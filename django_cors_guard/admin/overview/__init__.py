"""The overview: how the guard stands, and what waits for somebody."""
