"""What a change of an environment or API group would mean, before it is made."""
