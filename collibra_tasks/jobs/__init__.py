"""Background jobs in Collibra, from submission to their end."""
