"""Learning: frames in, frames out. Features, models, decisions, evaluation, forecasts, artefacts and the simulator."""
