"""The story of the policy, and taking a change back."""
