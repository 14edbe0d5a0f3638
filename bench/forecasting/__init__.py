"""What the benchmark of forecasts consists of."""
