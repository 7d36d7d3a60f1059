"""What goes over the wire and what comes back, without any wire: pure functions only.

Sources: Collibra's guide *Working with the Import API v2*, its OpenAPI documents of Import 2.0,
Core 2.0 and Job 1.0, all under https://developer.collibra.com. Each function gives the mark of what
it relies on: *documented*, *observed* (seen in public code) or *assumed*.
"""
