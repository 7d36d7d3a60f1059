"""Guarantee 2: nothing disappears that should not."""
