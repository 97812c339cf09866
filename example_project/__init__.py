"""A small site whose two API groups are guarded, and two front ends on other origins to call them from."""
