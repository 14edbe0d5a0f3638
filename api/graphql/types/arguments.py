"""Arguments that many fields take, each described once."""

from datetime import datetime
from typing import Annotated

import strawberry

from api.graphql.types.inputs import PeriodInput
from domain.vocabulary import Channel

_said = strawberry.argument

First = Annotated[int | None, _said(description="How many items, 0 to 100; 20 when left out.")]
After = Annotated[
    str | None,
    _said(description="The cursor to go on after: `pageInfo.endCursor` of this list's page before."),
]
AsOf = Annotated[
    datetime | None,
    _said(description='The instant of knowledge: nothing later is seen, and "now" is then. Default: now.'),
]
Within = Annotated[
    PeriodInput | None,
    _said(description="When the contact shall be. Default: the seven days from asOf on."),
]
Channels = Annotated[list[Channel] | None, _said(description="Only these channels. Default: every channel.")]
