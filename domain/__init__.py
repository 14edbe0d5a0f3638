"""The language of collections, pure: no input, no output, no clock."""

import decimal

# Money is never rounded: sums of amounts as long as the import format takes them (`domain.import_format.numbers`) have
# more digits than the 28 that Python keeps by default. For this thread, and for those that begin later.
decimal.getcontext().prec = decimal.DefaultContext.prec = 60
