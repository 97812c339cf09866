"""The test suite; it mirrors the package path by path."""
