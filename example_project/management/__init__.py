"""Management of the example project."""
