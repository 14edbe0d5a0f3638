"""Message KPIs counted ahead per UTC day, kept right by the transactions that change facts. See docs/adr/0014."""
