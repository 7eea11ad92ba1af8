"""What the numbers say: intervals, ratios, bottlenecks, verdicts."""
