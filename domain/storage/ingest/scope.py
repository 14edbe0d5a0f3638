"""How every statement here says whose rows it means."""

#: The condition on a table's tenant; takes the parameter `tenant_id`. It stands in a sub-select so that the planner
#: can't look the value up in statistics: those of a tenant that has just come in say that it has next to no rows, and
#: joins planned for one row take minutes over a million.
OF_TENANT = "tenant_id = (SELECT CAST(:tenant_id AS integer))"
