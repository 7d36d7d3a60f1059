"""Guarantee 1: at most one finalization per cycle."""
