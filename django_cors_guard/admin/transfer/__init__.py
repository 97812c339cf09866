"""Import and export of trusted origins."""
