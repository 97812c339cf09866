"""Trusting: asked, looked at, and only then saved."""
