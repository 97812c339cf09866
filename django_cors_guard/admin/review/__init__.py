"""The access review: who may call what as of a date, why, and who has looked at it."""
