"""The Stone connector as one record: webhooks of Stone Connect, and the terminal.

Found by the entry point `stone`; nothing imports it by name.
"""

from adapters.stone.connect import credentials, receive, signature
from adapters.stone.settings import StoneConfig
from adapters.stone.slip import slip
from adapters.stone.terminal import answer_fields, reserve, result
from contracts import Connector, Limits, Terminal, Webhook

connector = Connector(
    slug="stone",
    name="Stone",
    config=StoneConfig,
    docs="adapters/stone/README.md",
    trusts=("signed", "confirmed", "device"),
    base_url=lambda config: config.base_url,
    credentials=credentials,
    # Stone publishes no limit for reading charges; one a second disturbs nobody.
    limits=Limits(requests_per_minute=60, concurrent=4),
    webhook=Webhook(signature=signature, receive=receive),
    terminal=Terminal(reserve=reserve, answer=answer_fields, result=result, slip=slip),
)
