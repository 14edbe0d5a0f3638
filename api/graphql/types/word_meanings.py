"""What each word of the schema's enumerations means, with its unit where it has one."""

from collections.abc import Mapping
from enum import StrEnum

from api import answers
from domain import audit, vocabulary
from domain.kpis import messages, requests, templates
from domain.storage.reads.debtors import DebtorOrderField

_CHANNELS = {
    "EMAIL": "By email.",
    "SMS": "By text message.",
    "WHATSAPP": "By WhatsApp.",
    "PUSH": "By a notification of an app.",
    "LETTER": "By post.",
    "VOICE": "By telephone.",
}

MEANINGS: Mapping[type[StrEnum], Mapping[str, str]] = {
    vocabulary.Channel: _CHANNELS,
    vocabulary.Source: {
        "DIRECT": "Through no communication.",
        **{
            name: f"From a communication {meaning[0].lower()}{meaning[1:]}"
            for name, meaning in _CHANNELS.items()
        },
    },
    vocabulary.Direction: {"INBOUND": "The debtor began it.", "OUTBOUND": "The creditor began it."},
    messages.Weekday: {day.name: f"{day.name.capitalize()}, the debtor's own." for day in messages.Weekday},
    vocabulary.BounceKind: {"HARD": "The address is bad for good.", "SOFT": "It may work another time."},
    vocabulary.PromiseStatus: {
        "PENDING": "Neither filled nor past its deadline.",
        "KEPT": "Filled by payments before its deadline.",
        "BROKEN": "Past its deadline and not filled.",
    },
    vocabulary.ContactPointStatus: {
        "UNVERIFIED": "Nothing proves that it is the debtor's.",
        "VERIFIED": "Known to be the debtor's.",
        "BOUNCED": "The last that was heard of it is that nothing arrives there.",
        "OPTED_OUT": "The debtor refused it and has not consented since.",
    },
    vocabulary.AgingBucket: {
        "CURRENT": "0 days past due: accounts with something owed; debtors and payments also where nothing was.",
        "DPD_1_30": "1 to 30 days past due.",
        "DPD_31_60": "31 to 60 days past due.",
        "DPD_61_90": "61 to 90 days past due.",
        "DPD_91_180": "91 to 180 days past due.",
        "DPD_181_PLUS": "181 days past due or more.",
        "PAID": "Nothing is owed any more, or the account is closed.",
    },
    vocabulary.EventKind: {
        "DELIVERED": "It arrived.",
        "BOUNCED_HARD": "It did not arrive: the address is bad for good.",
        "BOUNCED_SOFT": "It did not arrive this time.",
        "OPENED": "It was opened or read.",
        "CLICKED": "A link in it was followed.",
        "LANDED": "The payment page was seen.",
        "PAYMENT_STARTED": "A payment was begun on the payment page.",
        "PAYMENT_FAILED": "A payment that was begun did not go through.",
        "PAYMENT_ABANDONED": "A payment that was begun was left.",
        "REPLIED": "The debtor answered it.",
        "RIGHT_PARTY_CONTACTED": "A call reached the debtor in person.",
        "UNSUBSCRIBED": "The debtor wants no more of this channel.",
        "COMPLAINED": "The debtor reported it, as spam for one, and wants no more of this channel.",
    },
    requests.MessageDimension: {
        "SEGMENT": "The debtor's segment by the facts before it was sent.",
        "CHANNEL": "How it travelled.",
        "TEMPLATE": "The template's reference.",
        "CAMPAIGN": "The campaign's name as sent with it.",
        "AGENT": "The communication's own agent, by reference.",
        "PRODUCT": "The product of its account, else of the debtor's only account.",
        "COUNTRY": "The debtor's country, ISO 3166-1 alpha-2.",
        "DPD_BUCKET": "The debtor's days past due when it was sent, in bands.",
        "CURRENCY": "The currency of its account, else of the debtor's only account; ISO 4217.",
        "HOUR": "The hour it was sent in, 0–23, local to the debtor.",
        "WEEKDAY": "The weekday it was sent on, local to the debtor.",
        "DAY": "The day it was sent on, UTC.",
        "WEEK": "The Monday of the week it was sent in, UTC.",
        "MONTH": "The first day of the month it was sent in, UTC.",
    },
    templates.TemplateDimension: {
        "TONE": "How it speaks, such as friendly or firm.",
        "INCENTIVE": "What it offers for paying.",
        "SUBJECT": "Its subject line.",
    },
    requests.AgentDimension: {
        "AGENT": "One row for each agent.",
        "TEAM": "One row for each team.",
        "ALL": "One row for all agents together.",
    },
    answers.ForecastDimension: {
        "SEGMENT": "By the debtor's segment.",
        "CHANNEL": "By how communications travel.",
    },
    answers.ForecastPolicy: {
        "CURRENT": "Sending goes on as lately.",
        "RECOMMENDED": "Sending follows the recommendations.",
    },
    answers.ForecastKpi: {
        "SENT": "Communications sent, a count.",
        "DELIVERY_RATE": "Delivered of sent, 0–1.",
        "OPEN_RATE": "Opened of delivered, 0–1.",
        "CLICK_RATE": "Clicked of delivered, 0–1.",
        "CONVERSION_RATE": "Converted of delivered, 0–1.",
        "COLLECTED": "Money collected, in major units of the key's currency.",
        "SENT_TO_OPEN_P50": "Median seconds from sending to the first open.",
        "PROMISES_KEPT_RATE": "Kept of kept and broken promises, 0–1.",
        "DSO": "Days sales outstanding, in days.",
    },
    answers.Unit: {
        "COUNT": "How many.",
        "RATE": "A share, 0–1.",
        "SECONDS": "Seconds.",
        "DAYS": "Days.",
        "MONEY": "Major units of the key's currency.",
    },
    answers.Evidence: {
        "STRONG": "The segment's own outcomes tell.",
        "POOLED": "Mostly the outcomes of similar segments tell.",
        "INSUFFICIENT": "Too little is known to recommend anything.",
    },
    vocabulary.Arm: {
        "PLANNED": "Contacted as decided, or left alone because that is best.",
        "HELD_OUT": "Left alone by the draw, to measure what contacts bring.",
    },
    vocabulary.CampaignStatus: {
        "PLANNED": "Its window has not begun.",
        "RUNNING": "Its window is open.",
        "ENDED": "Its window is over.",
        "CANCELLED": "It was called off for good.",
    },
    vocabulary.RunStatus: {
        "QUEUED": "It waits for a worker.",
        "RUNNING": "A worker is at it.",
        "SUCCEEDED": "It ended with a model.",
        "FAILED": "It ended without one; `error` says why.",
        "CANCELLED": "It was called off.",
    },
    vocabulary.ModelStatus: {
        "CHALLENGER": "Trained and not promoted.",
        "CHAMPION": "The one that decides.",
        "RETIRED": "It decided before.",
    },
    vocabulary.Promotion: {
        "AUTO": "A model that passes its gate becomes champion.",
        "NEVER": "It stays a challenger.",
    },
    DebtorOrderField: {
        "REFERENCE": "The creditor's own id, by its characters.",
        "NAME": "The name without regard to case.",
        "DAYS_PAST_DUE": "Days past due, the most over the debtor's accounts.",
        "LAST_CONTACTED_AT": "When the debtor was last contacted.",
        "BALANCE": "What is owed in one currency, which the order names.",
    },
    vocabulary.Role: {
        "READER": "Queries.",
        "CAMPAIGN": "Queries, and decides: segments, plans, decisions.",
        "INGEST": "Records and upserts facts.",
        "OPS": "Queries, and trains, promotes and rolls back models.",
        "ADMIN": "Everything, the audit log included.",
    },
    audit.AuditOutcome: {
        "DONE": "It was done.",
        "REFUSED": "Nothing changed; `code` says why.",
        "FAILED": "It failed by a fault of ours.",
    },
}
