"""Prefect tasks for Collibra's Import API v2 synchronization."""
