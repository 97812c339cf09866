"""Trusted origins: the list, the page of each, and how they are revoked."""
