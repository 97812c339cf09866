"""The documentation: Markdown for Sphinx, and the scripts that draw its pictures."""
