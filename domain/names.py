"""How names are looked up."""


def name_key(name: str) -> str:
    """The form under which a debtor's name is stored for search and sorting: lower case, whatever the script."""
    return name.lower()
