"""The CORS protocol as pure functions over frozen values: no framework, clock, cache, log or setting in here."""
