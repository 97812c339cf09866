"""The access matrix: who may call what, ticked, reviewed and saved at once."""
