"""What the audit log costs and bears, measured. Short forms of these run in the tests."""
