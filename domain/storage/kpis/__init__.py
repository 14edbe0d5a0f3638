"""KPIs computed in SQL from the facts, as they were known at an instant. Formulas: `domain.kpis`."""
