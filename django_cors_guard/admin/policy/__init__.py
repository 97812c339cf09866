"""Environments, API groups and front ends."""
