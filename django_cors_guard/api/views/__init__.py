"""The views, a module per noun."""
