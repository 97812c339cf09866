"""Revoking and reinstating: what is met, how far it reaches, and the receipt."""
