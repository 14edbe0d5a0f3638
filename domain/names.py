"""How names are looked up."""


def name_key(name: str) -> str:
    """The form under which a debtor's name is stored for search and sorting: lower case, whatever the script.

    Each character's form is its own, so that the key of what a name begins with begins the key of the name. Lower case
    alone has another sigma at the end of a word: of ΟΔΟΣ, but not of ΟΔΟΣΑ.
    """
    return name.lower().replace("ς", "σ")
