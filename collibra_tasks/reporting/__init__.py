"""Receipts, progress, events and messages: everything that people see of a flow run."""
