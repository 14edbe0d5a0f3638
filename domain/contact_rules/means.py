"""By what means a debtor is contacted, and where, as blocks say it."""

from collections.abc import Collection

from domain.vocabulary import Channel

_MEANS = {
    Channel.EMAIL: "e-mail",
    Channel.SMS: "text message",
    Channel.WHATSAPP: "WhatsApp",
    Channel.PUSH: "push message",
    Channel.LETTER: "letter",
    Channel.VOICE: "telephone",
}
_PLACES = {
    Channel.EMAIL: "e-mail address",
    Channel.SMS: "telephone number",
    Channel.WHATSAPP: "telephone number",
    Channel.PUSH: "address for push messages",
    Channel.LETTER: "postal address",
    Channel.VOICE: "telephone number",
}


def listed_means(channels: Collection[Channel]) -> str:
    """At least one of them: e-mail, text message or telephone."""
    *others, last = [words for channel, words in _MEANS.items() if channel in channels]
    return f"{', '.join(others)} or {last}" if others else last


def place(channel: Channel) -> str:
    """What a message on the channel is addressed to: e-mail address, telephone number."""
    return _PLACES[channel]
