"""What was refused: the log, and the cards that it adds up to."""
