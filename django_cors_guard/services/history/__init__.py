"""The story of the policy: what a change says, and what taking it back means."""
