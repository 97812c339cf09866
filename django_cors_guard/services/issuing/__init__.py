"""What CI may do by itself: trust origins of its issuer's shape for a while, and end that again."""
