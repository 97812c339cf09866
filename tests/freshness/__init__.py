"""Every worker of real servers decides in time by what other processes commit."""
