"""Distances between windows: the learned motif distance of RelCon, Euclid, dynamic time warping."""
