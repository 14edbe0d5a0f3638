"""How contacts on each channel are called in sentences."""

_ONE = {
    "EMAIL": "an e-mail",
    "SMS": "a text message",
    "WHATSAPP": "a WhatsApp message",
    "PUSH": "a push message",
    "LETTER": "a letter",
    "VOICE": "a call",
}


def one(channel: str) -> str:
    """A contact on a channel, with its article: an e-mail, a call."""
    return _ONE[channel]


def singular(channel: str) -> str:
    """The bare word: e-mail, call."""
    return one(channel).split(" ", 1)[1]


def plural(channel: str) -> str:
    """Several of them: e-mails, calls."""
    return f"{singular(channel)}s"


def counted(number: int, channel: str) -> str:
    """So many of them: 1 call, 1,200 calls."""
    return f"{number:,} {singular(channel) if number == 1 else plural(channel)}"
