"""What lists and cases show: rows by id, keyset pages, and the nested lists of many parents at once.

Each function is one statement over one tenant's rows. Nothing here derives: callers catch derived columns up first.
"""
