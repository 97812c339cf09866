"""The access matrix: read, planned and applied in one revision."""
