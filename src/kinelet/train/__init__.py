"""One loop for every method, and what it needs: optimisers, checkpoints, logs, several processes."""
