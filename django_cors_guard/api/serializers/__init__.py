"""What the API takes and gives, noun by noun. Nothing in here follows the project's REST framework defaults."""
