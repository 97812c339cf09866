"""How soon every worker of a real server decides by what has been committed: ``python -m benchmarks.freshness``."""
