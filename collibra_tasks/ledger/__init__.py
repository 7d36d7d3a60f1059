"""Memory between flow runs: finalizations, the lock, manifests and checkpoints; no policy."""
