"""Plots, and one self-contained HTML file a run or an evaluation is told in."""
