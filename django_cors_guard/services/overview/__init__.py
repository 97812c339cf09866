"""What the overview adds up."""
