"""The KPI dictionary: what can be asked, what an answer row holds, and every formula. Source: kpis.md."""
