"""Issuers: accounts of CI that may have previews trusted by themselves."""
