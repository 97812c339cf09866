"""The access review: every grant as of a date, what of it is due, and the mark that somebody has looked at it."""
